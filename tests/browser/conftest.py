"""The page in a headless Chromium, before a server of two small spaces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from latentia.data import Columns, Selection
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space

HOSTILE = '<img src=x onerror="document.title=1"> the cat sat'

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of the module alone: while it lives, no other test of this thread can run an event loop."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    from latentia.server import create_app, listening
    from latentia.server.map import texts_of

    space, other = labelled_space(), labelled_space(labels=False)
    file = tmp_path_factory.mktemp("texts") / "texts.tsv"
    rows = [*TEXTS, HOSTILE]
    file.write_text("text\tlabel\n" + "".join(f"{text}\t{'cat' if 'cat' in text else 'dog'}\n" for text in rows))

    def shown() -> Selection:
        return texts_of(space, [str(file)], Columns(label="label"))

    application = create_app({"one": space, "other": other}, shown={"one": shown})
    with listening(application) as port:
        for name in ("one", "other"):
            while httpx.get(f"http://127.0.0.1:{port}/v1/models/{name}/map", timeout=30).status_code == 503:
                pass  # until the texts are read
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def api(address) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{address}/v1/models/one", timeout=30) as client:
        yield client


@pytest.fixture
def page(browser, address) -> Iterator[Any]:
    """The page when all is read; what it asks of others, and what goes wrong in it, fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    asked, wrong = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}/ui/")
    page.wait_for_selector("#pane-0 canvas[data-texts]")
    yield page
    context.close()
    assert not wrong
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
