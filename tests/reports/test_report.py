"""The page and its figures, on small runs of every kind of code."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
from dataclasses import asdict
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import get_args, get_type_hints

import plotly.graph_objects as go
import pytest

from latentia.cli.report import plot
from latentia.data import Columns
from latentia.errors import InputError, RunError
from latentia.evaluation.diagnosis import Verdict
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import start_run
from latentia.reports import FIGURES, write_figure, write_report
from latentia.reports.chart import Band, Bars, Chart, Contours, Line, Panel, Points
from latentia.reports.figures import figure_of
from latentia.reports.figures.likelihood import DIAGRAMS
from latentia.reports.gather import NotMeasuredError, views_of
from latentia.reports.interactive import figure, themes
from latentia.reports.markup import EMPTY
from latentia.reports.page import figures
from latentia.reports.static import rendered
from latentia.reports.tables import numbers
from tests.evaluation.test_decoded import SMALL
from tests.reports.conftest import CALIBRATION, NASTY, QUIET, edited

MISSING = {
    *(("calibration", kind) for kind in ("evaluated", "sphere", "stepwise")),
    *(("aggregate", "stepwise"), ("k-curve", "sphere")),
}
ENDINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


class Page(HTMLParser):
    """Takes a page apart, and refuses one whose elements do not close as they open."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open, self.attributes, self.texts, self.scripts = (
            list[str](),
            list[tuple[str, str, str]](),
            "",
            list[str](),
        )
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.texts += data


def diagnosed(run: Path, *verdicts: Verdict) -> None:
    (run / "diagnosis.json").write_text(json.dumps({"verdicts": [asdict(verdict) for verdict in verdicts]}))


@pytest.fixture(scope="module")
def written(evaluated, sphere, stepwise, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    diagnosed(evaluated, Verdict("holes", "A <b> verdict.", (("gap", "5 & more"),), 0.9, "train", "because"))
    diagnosed(sphere, Verdict("length", "little text", (), 0.97, "nothing", "because", healthy=True))
    write_report([evaluated, sphere, stepwise], out, QUIET)
    return out.read_text(encoding="utf-8")


def test_a_damaged_diagnosis_is_named(evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path / "run")
    (tmp_path / "run" / "diagnosis.json").write_text('{"verdicts": [{"sentence": 3}]}')
    with pytest.raises(RunError, match="is no diagnosis"):
        write_report([tmp_path / "run"], tmp_path / "report.html", QUIET)


@pytest.fixture(scope="module")
def parsed(written):
    return Page(written)


def test_nothing_is_loaded(parsed):
    links = [value for _, name, value in parsed.attributes if name in {"src", "href", "srcset", "action", "data"}]
    assert {link.partition(":")[0] if ":" in link else link[:1] for link in links} == {"data", "#"}
    style = re.search(r"<style>(.*?)</style>", "".join(parsed.rawdata), re.DOTALL)
    assert style is None or "url(" not in style[1]


def test_only_scripts_that_are_named_may_run(parsed, written):
    policy = next(v for tag, name, v in parsed.attributes if tag == "meta" and name == "content" and "script-src" in v)
    assert policy.startswith("default-src 'none'")
    data = [tag for tag, name, value in parsed.attributes if (tag, name) == ("script", "type")]
    running = parsed.scripts[len(data) :]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in running]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]


def test_texts_stay_texts(parsed):
    assert {tag for tag, _, _ in parsed.attributes} <= {
        *("html", "head", "meta", "style", "body", "nav", "a", "section", "figure", "div", "img", "script", "table"),
        *("th", "td", "p", "pre", "code", "ul", "li", "details", "summary", "h1", "h2", "h3"),
    }
    assert "<b>näme $x$" in parsed.texts
    assert "A <b> verdict." in parsed.texts
    assert "gap: 5 & more (90.0% sure). What may help: train" in parsed.texts
    assert [text for text in NASTY if text in parsed.texts]
    shown = [json.loads(script) for script in parsed.scripts if script.startswith('{"data"')]
    hovers = [text for each in shown for trace in each["data"] for text in trace.get("hovertext", [])]
    assert any("&lt;script&gt;" in text for text in hovers)
    assert not [text for text in hovers if re.search(r"<(?!br>)", text)]


def test_what_was_diagnosed_comes_first(parsed):
    told = ["wrong <b>näme $x$: A <b> verdict.", "good sphere: no fault was found", "worth knowing sphere: little text"]
    places = [parsed.texts.index(each) for each in told]
    assert places == sorted(places)
    assert "(97.0% sure)" in parsed.texts
    assert "stepwise: no fault" not in parsed.texts


def test_every_table_has_headings_and_every_picture_words(written, parsed):
    assert written.count("<table>") == written.count("<caption>")
    assert {value for tag, name, value in parsed.attributes if (tag, name) == ("th", "scope")} == {"row", "col"}
    assert all(value for tag, name, value in parsed.attributes if (tag, name) == ("img", "alt"))
    levels = [int(level) for level in re.findall(r"<h(\d)", written)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_what_is_missing_says_what_to_run(parsed, sphere, stepwise):
    assert "sphere has no evaluation" in parsed.texts
    assert f"latentia evaluate {sphere} --measure Calibration" in parsed.texts
    assert "sequences of different length have no aggregate posterior" in parsed.texts
    assert "there is no way between sequences of different length" in parsed.texts


def test_the_command_trains_the_run_again(parsed, evaluated):
    assert f"--recipe '{evaluated / 'recipe.yaml'}' --seed 1" in parsed.texts


def test_samples_have_their_nearest_training_sentence(parsed):
    assert "nearest training sentence" in parsed.texts
    assert "copies of training text: " in parsed.texts


def test_a_page_is_not_written_over(stepwise, tmp_path):
    out = tmp_path / "one.html"
    out.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        write_report([stepwise], out, QUIET)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", ["evaluated", "sphere", "stepwise"])
def test_every_figure_is_drawn_or_says_why_not(name, kind, request):
    run = request.getfixturevalue(kind)
    if (name, kind) in MISSING:
        with pytest.raises(NotMeasuredError):
            FIGURES[name].draw(views_of([run]))
        return
    chart = FIGURES[name].draw(views_of([run]))
    assert chart.panels
    for panel in chart.panels:
        require_plotly_takes(panel)


def require_plotly_takes(panel: Panel) -> None:
    """Put colours for their names, as the page does, and let the library check the rest."""

    def painted(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: painted(each, name if "color" in name else key) for name, each in value.items()}
        if isinstance(value, list):
            return [painted(each, key) for each in value]
        named = key and isinstance(value, str) and value.startswith("@")
        return themes()["dark"][value[1:].partition("/")[0]] if named else value

    go.Figure(painted(figure(panel)))


def test_calibration_is_drawn_once_measured(evaluated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(evaluated, run)
    edited(run, measures={"Calibration": CALIBRATION})
    chart = FIGURES["calibration"].draw(views_of([run]))
    assert [panel.title for panel in chart.panels] == list(DIAGRAMS.values())
    assert [mark.name for mark in chart.panels[0].marks] == ["both agree", "as trained"]


def test_the_curve_over_samples_is_taken_where_it_was_measured(evaluated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(evaluated, run)
    edited(run, nll_iw_curve=[{"K": k, "value": 20 - k / 10, "standard_error": 0.1} for k in (1, 5, 25)])
    (panel,) = FIGURES["k-curve"].draw(views_of([run])).panels
    (line,) = [mark for mark in panel.marks if isinstance(mark, Line)]
    assert (line.x, line.y) == ([1, 5, 25], [19.9, 19.5, 17.5])


def test_numbers_that_are_not_finite_are_left_out_of_the_curves(evaluated, tmp_path):
    run = shutil.copytree(evaluated, tmp_path / "run")
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        record["kl"] = math.nan if record["split"] == "train" else math.inf
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    [view] = views_of([run])
    for name in ("training", "rate-distortion"):
        assert figures(figure_of(name).draw([view]))


def test_a_measure_of_another_version_leaves_the_rest(evaluated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(evaluated, run)
    edited(run, measures={"Unheard": {"settings": {}}, "Unfit": {"not_measured": "no labels"}})
    shown = Page(numbers(views_of([run]))).texts
    assert "written by another version: measure it again" in shown
    assert "no labels" in shown
    assert "negative ELBO" in shown


def test_an_evaluation_of_another_version_is_named(evaluated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(evaluated, run)
    (run / "evaluation.json").write_text('{"elbo": 1}')
    with pytest.raises(RunError, match="another version"):
        write_report([run], tmp_path / "report.html", QUIET)


@pytest.mark.parametrize("form", ENDINGS)
def test_a_figure_is_written_by_its_ending_and_the_same_again(evaluated, tmp_path, form):
    out = tmp_path / f"one.{form}"
    write_figure(evaluated, "k-curve", out)
    first = out.read_bytes()
    assert first.startswith(ENDINGS[form])
    write_figure(evaluated, "k-curve", out, force=True)
    assert out.read_bytes() == first


def test_the_help_names_every_figure():
    (_, argument) = get_args(get_type_hints(plot, include_extras=True)["figure"])
    assert re.findall(r"[\w-]+", argument.help.replace(" or ", " ")) == list(FIGURES)


def test_an_unknown_figure_names_those_there_are():
    with pytest.raises(InputError, match="training, rate-distortion, k-curve"):
        figure_of("trainings")


@pytest.mark.parametrize(
    ("name", "told"), [("a.gif", "does not end in"), ("none/a.png", "does not exist"), ("there.png", "--force")]
)
def test_a_file_that_cannot_be_written_is_refused(evaluated, tmp_path, name, told):
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=told):
        write_figure(evaluated, "training", tmp_path / name)
    assert (tmp_path / "there.png").read_bytes() == b"mine"


def test_numbers_that_are_missing_are_an_error_of_plot(sphere, tmp_path):
    with pytest.raises(InputError, match="--measure Calibration"):
        write_figure(sphere, "calibration", tmp_path / "a.png")


def test_one_validation_sequence_has_no_variance(tmp_path):
    for name, texts in (("train", "a b\nb c\nc d\n"), ("valid", "a c\n")):
        (tmp_path / f"{name}.txt").write_text(texts)
    sources = Sources([str(tmp_path / "train.txt")], [str(tmp_path / "valid.txt")], Columns())
    start_run(sources, load_recipe("default").with_settings(SMALL), tmp_path / "run", 1, QUIET)
    with pytest.raises(NotMeasuredError, match="no variance of one"):
        FIGURES["dimensions"].draw(views_of([tmp_path / "run"]))


def test_a_run_twice_is_refused(sphere):
    with pytest.raises(InputError, match="twice"):
        views_of([sphere, sphere / ".." / sphere.name])


def test_runs_of_one_name_are_told_apart(sphere, tmp_path):
    other = tmp_path / "sphere"
    shutil.copytree(sphere, other)
    assert [view.name for view in views_of([sphere, other])] == [str(sphere), str(other)]


@pytest.mark.parametrize("library", ["plotly", "matplotlib"])
def test_without_the_libraries_one_is_told_before_any_work(library, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    monkeypatch.setitem(__import__("sys").modules, f"{library}.offline", None)
    with pytest.raises(InputError, match=r"latentia\[plots\]"):
        write_report([Path("nowhere")], tmp_path / "report.html", QUIET)


def test_every_mark_is_drawn_by_both():
    marks = (
        Line("line", [0, 1], [0, 1], 0, dashed=True, dots=True),
        Points("points", [0.5], [0.5], 9, hover=["<b>"], labels=["1"]),
        Bars("bars", [0.25], [0.5], 2),
        Band("band", [0, 1], [0, 0.5], [0.5, 1], 3),
        Contours("region", [0, 1, 2], [0, 1], [[0, 1, 0], [1, 2, 1]], [1.5, 0.5], 4, filled=True),
        Contours("edge", [0, 1, 2], [0, 1], [[0, 1, 0], [1, 2, 1]], [0.5], -1, filled=False),
    )
    panel = Panel("x", "y", marks, title="all", square=True, y_range=(0, 1))
    require_plotly_takes(panel)
    names = [trace["name"] for trace in figure(panel)["data"]]
    assert names == ["line", "points", "bars", "band", "region", "edge"]
    drawn = rendered(Chart("all", [panel], ""), "svg").decode()
    for name in names:
        assert f"<!-- {name} -->" in drawn
