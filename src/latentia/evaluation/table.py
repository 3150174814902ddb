"""The numbers of an evaluation as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.markup import escape
from rich.table import Table

from latentia.evaluation.measure import Line, Measure, beside_real, line


def evaluation_table(
    result: dict[str, Any], title: str, measures: Mapping[str, Measure] = MappingProxyType({})
) -> Table:
    """Lay out an evaluation, each number with its estimator and standard error; measures below, each under its name."""
    caption = "\n".join(f"beware: {remark}" for remark in result["remarks"])
    table = Table(
        title=escape(title), title_justify="left", caption=caption, caption_justify="left", caption_style="yellow"
    )
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("")
    for row in rows_of_table(result):
        table.add_row(*row)
    for name, measure in measures.items():
        table.add_section()
        for row in _under(name, measure, result["measures"][name]):
            table.add_row(*row)
    return table


def _under(name: str, measure: Measure, result: dict[str, Any]) -> Sequence[Line]:
    """Rows of a measure under its name, by which its settings are given and its entry is found."""
    reason = result.get("not_measured")
    return [(name, "none", reason)] if reason else [(f"[bold]{name}[/]", "", ""), *measure.lines(result)]


def rows_of_table(result: dict[str, Any]) -> Sequence[Line]:
    """Name, value and standard error of what is shown, each name with its estimator."""
    errors, units, thresholds = result["standard_errors"], result["latent_dim"], result["continuous_units"]
    return [
        _row("reconstruction, nats a sequence", result["reconstruction"], errors["reconstruction"]),
        _row(f"KL(q(z|x) || p(z)), {result['kl_estimator']}", result["kl"], errors["kl"]),
        _row("negative ELBO", -result["elbo"], errors["elbo"]),
        *_dual(result.get("dual", {})),
        _row(result["ppl_estimator"], result["nll_iw"]["value"], result["nll_iw"]["standard_error"]),
        _perplexity(result, "ppl_word_with_eos", "perplexity a word, with EOS", result["words"] + result["sentences"]),
        _perplexity(result, "ppl_word_without_eos", "perplexity a word, without EOS", result["words"]),
        _perplexity(result, "ppl_token", "perplexity a token", result["tokens_with_eos"]),
        _information(result["mutual_information"]),
        ("active units (0.01)", f"{result['active_units']} of {units}", f"over {result['units_over']}"),
        *((f"continuous units ({threshold})", f"{count} of {units}", "") for threshold, count in thresholds.items()),
        *_marginal_gap("marginal gap, KL(p(z_i) || q(z_i))", result["marginal_gap"]),
        *_marginal_gap("marginal gap, KL(q(z_i) || p(z_i))", result["reverse_marginal_gap"]),
        _row("joint gap, KL(p(z) || q(z))", result["joint_gap"], result["joint_gap_standard_error"]),
        _row("KL(q(z) || p(z)) = KL - information", result["aggregate_kl"], result["aggregate_kl_standard_error"]),
        *(_text(result["text"]) if "text" in result else ()),
    ]


def _dual(dual: dict[str, Any]) -> list[Line]:
    """What a critic says, where there is one."""
    names = {
        "estimate": f"{dual.get('of')}, dual estimate",
        "negative_elbo": "reconstruction + dual estimate, no bound",
    }
    return [line(names[key], dual[key]) for key in names if key in dual]


def _text(text: dict[str, Any]) -> list[Line]:
    """Rows about what was decoded."""
    count, order, bleu = text["sequences"], text["language_model"]["order"], text["reconstruction"]
    return [
        (
            "BLEU, greedy from posterior centres",
            f"{bleu['value']:.2f}",
            f"± {bleu['standard_error']:.2f} over {count:,}, bootstrap",
        ),
        beside_real(f"forward perplexity, {order}-gram of training text", text["forward"], text["forward_of_data"], 2),
        beside_real(
            f"reverse perplexity, {order}-gram of {count:,} samples",
            text["reverse"],
            text["reverse_of_training_text"],
            2,
        ),
        _rouge(text["interpolation"]),
        *_variety(text),
    ]


VARIETY = {
    ("diversity", "distinct_1"): "distinct-1",
    ("diversity", "distinct_2"): "distinct-2",
    ("diversity", "distinct_3"): "distinct-3",
    ("diversity", "different_texts"): "different texts, as a share",
    ("diversity", "self_bleu"): "self-BLEU, percent",
    ("copied", "verbatim"): "training sequences, as a share",
    ("copied", "longest_copy"): "longest n-gram of a training sequence, share of the text",
}


def _variety(text: dict[str, Any]) -> list[Line]:
    """How much samples repeat each other and the training text, beside as much real text."""
    of = f"of {text['samples']['sequences']:,} samples"
    return [
        beside_real(f"{name}, {of}", text[part][key], text[f"{part}_of_data"][key])
        for (part, key), name in VARIETY.items()
    ]


def _rouge(path: dict[str, Any]) -> Line:
    name, value, error = _row(f"ROUGE-L of {path['points']} points to both ends", path["value"], path["standard_error"])
    if path["value"] is None:
        return name, value, error
    return name, value, f"{error} over {path['pairs']:,} pairs; the ends {path['of_the_ends']:.3f}"


def _information(information: dict[str, Any]) -> Line:
    name, value, error = _row("mutual information, full set", information["value"], information["standard_error"])
    return name, value, error if information["value"] is None else f"{error}, cap log N = {information['cap']:.2f}"


def _marginal_gap(name: str, value: float | None) -> list[Line]:
    """One row, or none on a sphere."""
    return [] if value is None else [(name, f"{value:.3f}", "summed, quadrature")]


def _perplexity(result: dict[str, Any], key: str, name: str, count: int) -> Line:
    value, error = result[key], result["standard_errors"][key]
    if value is None:
        return name, "beyond floats", f"over {count:,}"
    form = ".2f" if value < 1e6 else ".2e"
    return name, f"{value:{form}}", f"± {error:{form}} over {count:,}"


def _row(name: str, value: float | None, error: float | None) -> Line:
    return line(name, {"value": value, "standard_error": error}, absent="not of codes of one a step")
