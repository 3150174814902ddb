"""The model card: what a model is and what was measured of it, for people and for the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from latentia.errors import RunError
from latentia.evaluation.table import rows_of_table
from latentia.operations.space import Space

TAGS = ["latentia", "variational-autoencoder", "latent-space", "text-generation"]

BODY = """\
# {name}

{origin}A space of {dimensions} latent dimensions for texts of up to {max_tokens} tokens, {vocabulary:,} different ones,
made with latentia.

```python
import latentia

space = latentia.load("{name}")  # this folder
codes = space.encode(["a text", "another"])
texts = list(space.sample(5)) + list(space.interpolate("a text", "another"))
```

On the command line, with this folder in place of a run:

```sh
latentia sample {name} -n 5
latentia encode {name} texts.txt --out codes.parquet
```

## Numbers

{numbers}

## Limits

It writes like the texts that it was trained on, with what is wrong in them. What it writes is no fact. A text of other
words or another kind has a code that says little.
"""


def model_card(space: Space, name: str, known: Mapping[str, str]) -> str:
    """Return the card as Markdown, under a header that the Hub reads.

    Args:
        space: What it is about; its record holds the numbers.
        name: Of the model.
        known: What only its maker can say: ``language`` and ``license``; what is empty is left out.

    Raises:
        RunError: If what was measured lacks a number.
    """
    about = space.record.recipe.get("about", {})
    try:
        header, numbers = _header(space, name, known), _numbers(space.record.evaluation)
    except (KeyError, TypeError) as error:
        raise RunError(f"evaluation.json holds no {error}", "run `latentia evaluate` again with this version") from None
    body = BODY.format(
        name=name,
        origin=_origin(space, about),
        dimensions=space.model.latent_dim,
        max_tokens=space.max_tokens,
        vocabulary=space.tokenizer.vocabulary_size,
        numbers=numbers,
    )
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---\n\n{body}"


def _header(space: Space, name: str, known: Mapping[str, str]) -> dict[str, Any]:
    datasets = {"datasets": list(space.record.datasets)} if space.record.datasets else {}
    header = {"library_name": "latentia", "pipeline_tag": "feature-extraction", "tags": TAGS}
    given = {key: value for key, value in known.items() if value}
    return {**given, **header, **datasets, **_index(name, space.record.evaluation)}


def _index(name: str, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers as the Hub's tables want them."""
    if not evaluation:
        return {}
    nll, estimator = evaluation["nll_iw"], evaluation["ppl_estimator"]
    metrics = [
        _metric("negative_elbo", "negative ELBO, nats a sequence", -evaluation["elbo"]),
        _metric("nll", f"nll_iw({nll['K']}), nats a sequence", nll["value"]),
        _metric("perplexity", f"perplexity a word with EOS, {estimator}", evaluation["ppl_word_with_eos"]),
        _metric("kl", f"KL(q(z|x) || p(z)), nats, {evaluation['kl_estimator']}", evaluation["kl"]),
    ]
    data = ", ".join(Path(each).name for each in evaluation["data"])
    result = {
        "task": {"type": "feature-extraction", "name": "latent-variable modelling of text"},
        "dataset": {"type": data, "name": data},
        "metrics": [metric for metric in metrics if metric["value"] is not None],
    }
    return {"model-index": [{"name": name, "results": [result]}]}


def _metric(kind: str, name: str, value: float | None) -> dict[str, Any]:
    return {"type": kind, "name": name, "value": None if value is None else round(value, 4)}


def _numbers(evaluation: Mapping[str, Any]) -> str:
    """Return a table of the numbers, each with its estimator."""
    if not evaluation:
        return "Nothing was measured before this was written (`latentia evaluate RUN`)."
    rows = [" | ".join(_cell(cell) for cell in row) for row in rows_of_table(dict(evaluation))]
    measured = ", ".join(Path(each).name for each in evaluation["data"])
    beware = [f"\nBeware: {_cell(remark)}" for remark in evaluation.get("remarks", ())]
    head = [f"On {evaluation['sentences']:,} sequences ({measured}).", "", "| | value | |", "|---|---:|---|"]
    return "\n".join([*head, *(f"| {row} |" for row in rows), *beware])


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|")


def _origin(space: Space, about: Mapping[str, Any]) -> str:
    """Name the recipe, which tells how the model was made; how models of it turn out is not known of this one."""
    recipe = space.record.origin()
    source = f" Its sources: {about['source']}." if about.get("source") else ""
    return f"Recipe: {recipe}.{source}\n\n" if recipe else ""
