"""The tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from latentia.decoding import Greedy
from latentia.errors import LatentiaError
from latentia.evaluation.measure import Line
from latentia.evaluation.table import rows_of_table
from latentia.recipes.measure import measures_of
from latentia.reports.gather import NotMeasuredError, RunView
from latentia.reports.markup import Markup, element, table, together, with_code

PAIRS, POINTS, SAMPLES = 3, 7, 20
SHORTEST, LONGEST = 4, 20
"""Tokens of the sentences between which one goes."""
NONE = "none"


def numbers(runs: Sequence[RunView]) -> Markup:
    """Every number of the evaluations, a column a run; then those of each further measure.

    Raises:
        NotMeasuredError: If no run has an evaluation.
    """
    evaluated = [run for run in runs if run.evaluation] or [runs[0]]
    groups = {run.name: _lines(run) for run in evaluated}
    names = list(dict.fromkeys(name for lines in groups.values() for name in lines))
    about = [f"{run.name}: {_corpus(run.evaluation)}" for run in evaluated]
    missing = [f"{run.name} has no evaluation: run `{run.to_evaluate}`" for run in runs if not run.evaluation]
    tables = [
        _side_by_side(name or "Evaluation", {run: lines.get(name, []) for run, lines in groups.items()})
        for name in names
    ]
    return together(*tables, *(element("p", *with_code(remark), class_="remark") for remark in (*about, *missing)))


def _corpus(result: dict[str, Any]) -> str:
    files = ", ".join(map(str, result.get("data", [])))
    return (
        f"{result['sentences']:,} sequences, {result['tokens_with_eos']:,} tokens with EOS, of {files}; nats a sequence"
    )


def _lines(run: RunView) -> dict[str, Sequence[Line]]:
    """Lines of the evaluation, under no name, and of its measures."""
    result = run.require_evaluation()
    measures = {name: _measured(name, numbers) for name, numbers in result.get("measures", {}).items()}
    return {"": rows_of_table(result), **measures}


def _measured(name: str, result: dict[str, Any]) -> Sequence[Line]:
    """Lay out a measure as its class does, unless another version wrote it."""
    if reason := result.get("not_measured"):
        return [(name, NONE, reason)]
    try:
        settings = [(f"{name}.{key}", value) for key, value in result["settings"].items()]
        return measures_of([name], settings)[name].lines(result)
    except (KeyError, TypeError, ValueError, LatentiaError):
        return [(name, NONE, "written by another version: measure it again")]


def _side_by_side(caption: str, lines: Mapping[str, Sequence[Line]]) -> Markup:
    """One row a number, in the order in which the runs have them."""
    names = list(dict.fromkeys(name for each in lines.values() for name, _, _ in each))
    cells = {run: {name: f"{value} {error}".strip() for name, value, error in each} for run, each in lines.items()}
    return table(caption, ["", *lines], [[name, *(of.get(name, NONE) for of in cells.values())] for name in names])


def holes(run: RunView) -> Markup:
    """What is written at each hole that a figure marks; nothing where there is none."""
    marked = [(plane, hole) for plane in run.planes for hole in plane.holes]
    if not marked:
        return element("p", "In neither plane does a place without aggregate posterior hold a thousandth of the prior.")
    texts = [run.space.decode(hole.code[None], Greedy())[0] for _, hole in marked]
    rows = [
        [str(hole.number), plane.title, f"{hole.mass:.1%}", f"{min(hole.ratio, 1e6):,.0f}", text, *_nearest(run, text)]
        for (plane, hole), text in zip(marked, texts, strict=True)
    ]
    caption = "Holes: greedy decoding of the prior's expected code at each numbered place"
    header = ["hole", "plane", "prior mass around", "prior : aggregate", "text", "nearest training sentence", "edits"]
    return table(caption, header, rows)


def interpolations(run: RunView) -> Markup:
    """Texts on the way between validation sentences.

    Raises:
        NotMeasuredError: If there is no way between two codes, or no two sentences.
    """
    if not run.model.whole_codes:
        raise NotMeasuredError(
            f"{run.name} has codes of one a step: there is no way between sequences of different length",
            "read the samples instead",
        )
    texts = list(dict.fromkeys(_short(run)))[: 2 * PAIRS]
    if len(texts) < 2:
        raise NotMeasuredError(f"{run.name} has fewer than two validation sentences", "give --valid a larger file")
    return together(*(_path(run, *pair) for pair in zip(texts[::2], texts[1::2], strict=False)))


def _short(run: RunView) -> list[str]:
    """Validation texts of a handy length first, then the others."""
    corpus = run.validation.corpus
    order = sorted(run.validation.rows[:200].tolist(), key=lambda row: not SHORTEST <= corpus.lengths[row] <= LONGEST)
    return [corpus.text(row) for row in order]


def _path(run: RunView, first: str, last: str) -> Markup:
    between = list(run.space.interpolate(first, last, steps=POINTS))
    steps = [[f"{place} of {POINTS - 1}", text] for place, text in enumerate(between)]
    rows = [["first sentence", first], *steps, ["last sentence", last]]
    return table("On the way between two posterior centres, beam search of width 5", ["place", "text"], rows)


def samples(run: RunView) -> Markup:
    """Texts drawn from the prior, each beside the nearest training sentence."""
    texts = list(run.space.sample(SAMPLES, seed=run.seed))
    found = [_nearest(run, text) for text in texts]
    rows = [[str(place), text, *near] for place, (text, near) in enumerate(zip(texts, found, strict=True), start=1)]
    copies = sum(edits.startswith("copy") for _, edits in found)
    caption = (
        f"{SAMPLES} texts drawn from the prior, tokens drawn too (seed {run.seed}); copies of training text: {copies}"
    )
    remark = (
        "The nearest training sentence needs the fewest insertions, deletions and replacements of tokens; ≤ where "
        "only the 4,096 most alike by their tokens were tried, and a nearer one may be left."
    )
    shown = table(caption, ["", "text", "nearest training sentence", "edits"], rows)
    return together(shown, element("p", remark, class_="remark"))


def _nearest(run: RunView, text: str) -> tuple[str, str]:
    """The nearest training text, and the edits between."""
    near = run.nearest(run.tokenizer.encode(text))
    edits = "copy" if near.distance == 0 else f"{'' if near.exact else '≤ '}{near.distance}"
    return run.training.corpus.text(near.row), edits


def environment(run: RunView) -> Markup:
    """What the numbers may depend on, the recipe, and the command that trains the run again."""
    flat = {**run.environment, **{f"package {name}": v for name, v in run.environment.get("packages", {}).items()}}
    flat.pop("packages", None)
    rows = [[name.replace("_", " "), str(value) or NONE] for name, value in flat.items()]
    recipe = yaml.safe_dump(run.recipe.settings, sort_keys=False, allow_unicode=True)
    return together(
        element("p", "The command that trains it again:"),
        element("pre", element("code", run.command)),
        element("details", element("summary", "Recipe"), element("pre", element("code", recipe))),
        table("Environment of the training", ["", "value"], rows),
    )
