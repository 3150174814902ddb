"""What people do on the page, from click to text."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentia.server import create_app, listening
from latentia.server.keys import Keys
from tests.browser.conftest import HOSTILE
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space

EMPTY = (2.6, -2.6)
"""A place of the first plane where no text is."""


def pixel(page: Any, place: tuple[float, float] | list[float], pane: int = 0) -> tuple[float, float]:
    """Where a place of the plane is in the window."""
    x, y = page.evaluate(
        f"place => document.querySelector('#pane-{pane} canvas').map.view.toScreen(...place)", [*place]
    )
    box = page.locator(f"#pane-{pane} canvas").bounding_box()
    return box["x"] + x, box["y"] + y


COUNT = """([pane, colour]) => {
    const canvas = document.querySelector(`#pane-${pane} canvas`);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const wanted = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
        found += wanted.every((part, place) => Math.abs(part - data[i + place]) < 60);
    }
    return found / (data.length / 4);
}"""


def share(page: Any, colour: str, pane: int = 0) -> float:
    """Share of the pixels of a map that are about of a colour."""
    found: float = page.evaluate(COUNT, [pane, colour])
    return found


def settled(page: Any, selector: str, before: str = "") -> str:
    """Text of an element when it is there and no longer what it was."""
    page.wait_for_function("([s, b]) => (document.querySelector(s)?.innerText ?? b) !== b", arg=[selector, before])
    found: str = page.locator(selector).inner_text()
    return found


def decoded(api: Any, code: list[float]) -> str:
    answer = api.post("/decode", json={"codes": [code], "strategy": {"kind": "Greedy"}}).json()
    text: str = answer["answers"][0]["text"]
    return text


def click_place(page: Any, place: tuple[float, float]) -> str:
    before = page.locator("#text").inner_text()
    page.mouse.click(*pixel(page, place))
    return settled(page, "#text", before)


def points(api: Any) -> np.ndarray:
    return np.frombuffer(api.get("/map/points").content, "<f4").reshape(-1, 2)


def test_the_map_is_painted_in_the_colours_of_the_labels_on_light_and_dark_paper(page):
    page.wait_for_function("() => document.querySelector('#pane-0 .legend').innerText.includes('dog')")
    page.wait_for_timeout(100)
    assert share(page, "#ffffff") > 0.5
    for colour in ("#0072b2", "#d55e00", "#59636e"):  # two labels, and contours
        assert share(page, colour) > 1e-4
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(100)
    assert share(page, "#15191e") > 0.5
    assert share(page, "#f07f2e") > 1e-4


def test_a_point_is_a_sentence(page, api):
    texts = api.get("/map/texts").json()["texts"]
    place = points(api)[2].tolist()
    page.mouse.move(*pixel(page, place))
    assert settled(page, "#pane-0 .tip") in texts
    text = click_place(page, place)
    assert text == page.locator("#pane-0 .tip").inner_text()
    assert "decodes to" in page.locator("#about").inner_text()


def test_an_empty_place_is_decoded(page, api):
    x, y = EMPTY
    code = api.get(f"/map/code?x={x}&y={y}").json()["code"]
    assert click_place(page, EMPTY) == decoded(api, code)
    assert "decoded in" in page.locator("#status").inner_text()


def test_a_slider_moves_the_text(page, api):
    click_place(page, EMPTY)
    x, y = EMPTY
    code = api.get(f"/map/code?x={x}&y={y}").json()["code"]
    page.get_by_label("dimension 2", exact=True).fill("-3")
    page.wait_for_function("() => document.querySelector('#about').innerText.includes('sliders')")
    expected = decoded(api, [code[0], -3, code[2]])
    page.wait_for_function("text => document.querySelector('#text').innerText === text", arg=expected)


def test_a_dragged_line_is_a_row_of_sentences(page, api):
    start, end = pixel(page, EMPTY), pixel(page, (-2.6, -2.6))
    page.get_by_role("button", name="Line", exact=True).click()
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()
    page.wait_for_selector("#path li")
    found = page.locator("#path li .choice").all_inner_texts()
    codes = [api.get(f"/map/code?x={x}&y=-2.6").json()["code"] for x in (2.6, -2.6)]
    assert len(found) == 7
    assert [found[0], found[-1]] == [decoded(api, code) for code in codes]


def test_blanks_are_filled(page):
    page.get_by_role("tab", name="Blanks").click()
    page.locator("#blanks").fill("the ___ sat")
    page.get_by_role("button", name="Fill").click()
    page.wait_for_selector("#filled li")
    found = page.locator("#filled .choice").all_inner_texts()
    assert found
    assert all(text.startswith("the ") and text.endswith(" sat") and "___" not in text for text in found)
    page.locator("#blanks").fill("no blank")
    page.get_by_role("button", name="Fill").click()
    assert "has no blank" in settled(page, "#status.wrong")


def test_texts_are_found_by_code_and_by_letters_and_are_never_markup(page):
    page.get_by_role("tab", name="Search").click()
    page.locator("#query").fill(TEXTS[0])
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector("#hits li")
    assert page.locator("#hits .choice").first.inner_text() == TEXTS[0]
    assert page.locator("#hits li span").first.inner_text() == "0.00"
    page.locator("#how").select_option("part")
    page.locator("#query").fill("ONERROR")
    page.get_by_role("button", name="Search").click()
    page.wait_for_function("() => document.querySelectorAll('#hits li').length === 1")
    assert page.locator("#hits .choice").inner_text() == HOSTILE
    page.locator("#hits .choice").click()
    page.wait_for_function("text => document.querySelector('#text').innerText === text", arg=HOSTILE)
    assert page.locator("img").count() == 0
    assert "latentia" in page.title()


def test_two_runs_side_by_side_look_at_one_sentence(page, api):
    page.get_by_label("compare two runs").check()
    page.wait_for_selector("#pane-1 canvas[data-texts]")
    page.wait_for_timeout(150)
    assert share(page, "#3a0f5c", 1) > 1e-4
    page.mouse.click(*pixel(page, EMPTY))
    assert settled(page, "#linked").startswith("other writes of it: ")
    page.wait_for_function("() => document.querySelector('#pane-1 canvas').map.marks.length === 1")


def test_pinned_sentences_are_edited_from_label_to_label(page, api):
    click_place(page, EMPTY)
    page.get_by_role("button", name="Pin", exact=True).click()
    page.get_by_role("tab", name="Edit").click()
    page.locator("#strength").fill("2")
    text = page.locator("#pins .choice").inner_text()
    groups = {each["label"]: np.array(each["code"]) for each in api.get("/map").json()["groups"]}
    code = np.array(api.post("/encode", json={"data": [text]}).json()["answers"][0]["code"])
    expected = decoded(api, (code + 2 * (groups["dog"] - groups["cat"])).tolist())
    page.wait_for_function("text => document.querySelector('#edited .choice')?.innerText === text", arg=expected)


def test_the_map_is_worked_by_keys(page, api):
    page.locator("#pane-0 canvas").focus()
    before = page.locator("#text").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    page.keyboard.press("d")
    settled(page, "#text", before)
    assert page.evaluate("() => { const { view } = document.activeElement.map; return view.scale / view.least; }") > 1.3
    page.keyboard.press("l")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("l")
    page.wait_for_selector("#path li")


@pytest.mark.parametrize("kind", ["JSON Lines", "CSV"])
def test_what_was_made_is_taken_along(page, kind):
    text = click_place(page, EMPTY)
    page.wait_for_selector("#made li", state="attached")
    page.get_by_role("tab", name="Made").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=kind).click()
    content = Path(download.value.path()).read_text(encoding="utf-8")
    (row,) = map(json.loads, content.splitlines()) if kind != "CSV" else csv.DictReader(io.StringIO(content))
    assert (row["kind"], row["model"], row["text"]) == ("place", "one", text)


def test_another_plane_and_another_colour(page):
    page.get_by_label("Colour by").select_option("nll")
    page.wait_for_selector("#pane-0 .legend .ramp")
    page.get_by_label("Plane").select_option("dimensions")
    page.get_by_label("second dimension").fill("3")
    page.get_by_label("second dimension").press("Enter")
    page.wait_for_function("() => document.querySelector('#pane-0 .note').innerText.includes('dimension 3')")


def test_on_a_phone_nothing_is_wider_than_the_screen(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_timeout(100)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert page.locator("#pane-0 canvas").bounding_box()["height"] > 200


def test_a_finger_clicks_and_two_fingers_zoom(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}/ui/")
    page.wait_for_selector("#pane-0 canvas[data-texts]")
    page.locator("#pane-0 canvas").scroll_into_view_if_needed()
    page.touchscreen.tap(*pixel(page, (1.0, 0.5)))
    assert settled(page, "#text")
    x, y = pixel(page, (0.0, 0.0))
    apart = pixel(page, (1.0, 0.0))[0] - x
    fingers = context.new_cdp_session(page)
    for kind, reach in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60)):
        points_ = [{"x": x - reach, "y": y, "id": 1}, {"x": x + reach, "y": y, "id": 2}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points_})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(100)
    zoomed = pixel(page, (1.0, 0.0))[0] - pixel(page, (0.0, 0.0))[0]
    assert zoomed == pytest.approx(3 * apart, rel=0.2)
    context.close()


def test_a_server_with_keys_asks_for_one_until_it_is_right(browser):
    application = create_app({"one": labelled_space()}, keys=Keys([hashlib.sha256(b"right").hexdigest()]))
    with listening(application) as port:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/ui/")
        for key in ("wrong", "right"):
            page.get_by_label("Key of this server").fill(key)
            page.get_by_role("button", name="Use").click()
        page.wait_for_selector("#pane-0 canvas[data-texts]")
        assert page.get_by_label("Key of this server").count() == 0
        page.close()


MADE = """() => {
    const pane = document.querySelector("#pane-0");
    return !pane.classList.contains("waiting") && pane.querySelector(".note").innerText.includes("neighbours");
}"""


def test_the_map_of_neighbours_is_made_while_one_waits(browser, address, api):
    pytest.importorskip("umap")
    page = browser.new_page()
    page.goto(f"{address}/ui/")
    page.get_by_label("Plane").select_option("neighbours")
    page.wait_for_function(MADE, timeout=120_000)
    place = np.frombuffer(api.get("/map/points?plane=neighbours").content, "<f4").reshape(-1, 2)[1].tolist()
    assert click_place(page, place) == api.get("/map/texts").json()["texts"][1]
    page.close()


def test_a_plane_that_comes_late_does_not_take_the_place_of_one_chosen_since(page, api):
    pytest.importorskip("umap")
    held: list[Any] = []

    def hold(route: Any) -> None:  # playwright keeps a note on what it calls
        held.append(route)

    page.route("**/map*plane=neighbours*", hold)
    page.route("**/map/points*plane=neighbours*", hold)
    page.get_by_label("Plane").select_option("neighbours")
    page.wait_for_timeout(100)
    page.get_by_label("Plane").select_option("dimensions")
    note = "() => document.querySelector('#pane-0 .note').innerText.includes('dimension 1')"
    page.wait_for_function(note)
    assert len(held) == 2
    for route in held:
        points_ = "points" in route.request.url
        answer = api.get("/map/points").content if points_ else api.get("/map").content
        route.fulfill(body=answer, content_type="application/octet-stream" if points_ else "application/json")
    page.wait_for_timeout(300)
    assert page.evaluate(note.removeprefix("() => "))
    click_place(page, EMPTY)
    code = api.get(f"/map/code?x={EMPTY[0]}&y={EMPTY[1]}&plane=dimensions&first=0&second=1").json()["code"]
    assert page.locator("#text").inner_text() == decoded(api, code)
