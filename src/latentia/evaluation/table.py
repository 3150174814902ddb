"""The numbers of an evaluation as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table


def evaluation_table(result: dict[str, Any], title: str) -> Table:
    """Lay out an evaluation, each number with its estimator and standard error."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("")
    for row in rows_of_table(result):
        table.add_row(*row)
    return table


def rows_of_table(result: dict[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Name, value and standard error of what is shown, each name with its estimator."""
    samples, information, errors = result["nll_iw"]["K"], result["mutual_information"], result["standard_errors"]
    units, thresholds = result["latent_dim"], result["continuous_units"]
    return [
        _row("reconstruction, nats a sequence", result["reconstruction"], errors["reconstruction"]),
        _row("KL(q(z|x) || p(z)), exact", result["kl"], errors["kl"]),
        _row("negative ELBO", -result["elbo"], errors["elbo"]),
        _row(f"nll_iw({samples})", result["nll_iw"]["value"], result["nll_iw"]["standard_error"]),
        (
            "perplexity a word, with EOS",
            _number(result["ppl_word_with_eos"]),
            f"{result['words'] + result['sentences']:,} words and EOS",
        ),
        ("perplexity a word, without EOS", _number(result["ppl_word_without_eos"]), f"{result['words']:,} words"),
        ("perplexity a token", _number(result["ppl_token"]), f"{result['tokens_with_eos']:,} tokens"),
        (
            "mutual information, full set",
            f"{information['value']:.3f}",
            f"± {information['standard_error']:.3f}, cap log N = {information['cap']:.2f}",
        ),
        ("active units (0.01)", f"{result['active_units']} of {units}", ""),
        *((f"continuous units ({threshold})", f"{count} of {units}", "") for threshold, count in thresholds.items()),
        ("marginal gap, KL(p(z_i) || q(z_i))", f"{result['marginal_gap']:.3f}", "summed, quadrature"),
        _row("joint gap, KL(p(z) || q(z))", result["joint_gap"], result["joint_gap_standard_error"]),
        ("KL(q(z) || p(z)) = KL - information", f"{result['aggregate_kl']:.3f}", ""),
    ]


def _number(value: float | None) -> str:
    return "beyond floats" if value is None else f"{value:.2f}" if value < 1e6 else f"{value:.2e}"


def _row(name: str, value: float, error: float) -> tuple[str, str, str]:
    return name, f"{value:.3f}", f"± {error:.3f}"
