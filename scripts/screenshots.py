"""Pictures of the explorer page in light, in dark and on a phone, to be looked at: ``scripts/screenshots.py RUN...``.

Needs ``playwright`` and a Chromium; what it writes under ``screenshots/`` is not kept in the repository.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from latentia.recipes.runs import load
from latentia.server import create_app, listening
from latentia.server.models import names_of

VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 820}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 820}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 375, "height": 800}, "color_scheme": "light", "device_scale_factor": 2},
}


def pictures(browser: Browser, address: str, name: str, out: Path) -> None:
    """Walk through the page once."""
    page = browser.new_page(**VIEWS[name])
    page.on("console", lambda message: print(f"{name}: {message.text}"))
    began = time.monotonic()
    page.goto(address)
    page.wait_for_selector("canvas[data-points]", timeout=120_000)
    print(f"{name}: the map is there after {time.monotonic() - began:.2f} s")
    page.wait_for_selector("canvas[data-texts]", timeout=120_000)
    steps = {"map": shown, "place": place, "line": line, "difference": difference, "edit": edit, "compare": compare}
    for step, work in steps.items():
        work(page)
        page.wait_for_timeout(600)
        page.screenshot(path=out / f"{name}-{step}.png", full_page=name == "phone")
    page.close()


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return the pixel of a place, given in halves of the map from its middle."""
    box = page.locator("#pane-0 canvas").bounding_box()
    return box["x"] + box["width"] * (1 + x) / 2, box["y"] + box["height"] * (1 - y) / 2


def shown(page: Page) -> None:
    """Wait for colours."""
    page.wait_for_timeout(1500)


def place(page: Page) -> None:
    """Decode a place."""
    page.keyboard.down("Alt")
    page.mouse.click(*at(page, 0.13, 0.63))
    page.keyboard.up("Alt")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('ms')")
    print(f"a click: {page.locator('#status').inner_text()}")


def line(page: Page) -> None:
    """Drag a line."""
    page.get_by_role("button", name="Line", exact=True).click()
    page.mouse.move(*at(page, -0.5, -0.4))
    page.mouse.down()
    page.mouse.move(*at(page, 0.4, 0.5), steps=5)
    page.mouse.up()
    page.wait_for_selector("#path li")
    page.get_by_role("button", name="Line", exact=True).click()


def difference(page: Page) -> None:
    """Turn to the plane of holes."""
    page.get_by_label("Plane").select_option("difference")
    page.get_by_label("Colour by").select_option("length")


def edit(page: Page) -> None:
    """Pin what was chosen, and edit it."""
    page.get_by_role("tab", name="Sentence").click()
    page.get_by_role("button", name="Pin", exact=True).click()
    page.get_by_role("tab", name="Edit").click()


def compare(page: Page) -> None:
    """Put a second map beside the first."""
    box = page.get_by_label("compare two runs")
    if box.count():
        box.check()
        page.wait_for_selector("#pane-1 canvas[data-texts]", timeout=120_000)
        page.mouse.click(*at(page, 0.1, 0.2))


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    application = create_app(dict(zip(names_of(chosen.runs), map(load, chosen.runs), strict=True)))
    with listening(application) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name in VIEWS:
            pictures(browser, f"http://127.0.0.1:{port}/ui/", name, chosen.out)
        browser.close()
    print(f"pictures are in {chosen.out}")


if __name__ == "__main__":
    main()
