"""``latentia sample``, ``reconstruct`` and ``interpolate``: the operations of the space."""

from __future__ import annotations

from typing import Annotated

import typer

from latentia.cli.console import results
from latentia.cli.options import Run, seed_option


def sample(
    run: Run,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of texts.")] = 10,
    seed: Annotated[int, seed_option(help="Of codes and tokens.")] = 0,
    temperature: Annotated[float, typer.Option(help="Below 1 sharpens the choice of tokens.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Draw from the k most probable tokens; 0 from all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the tokens that hold this probability.")] = 1.0,
    greedy: Annotated[bool, typer.Option("--greedy", help="Take the most probable token instead.")] = False,
) -> None:
    """Print texts decoded from codes drawn from the prior."""
    from latentia.decoding import Ancestral, Greedy
    from latentia.recipes.runs import load

    strategy = Greedy() if greedy else Ancestral(temperature, top_k, top_p)
    for text in load(run).sample(n, seed, strategy):
        results.print(text, markup=False)


def reconstruct(
    run: Run,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT", help="Texts to encode and decode.")],
    beam: Annotated[int, typer.Option(min=1, help="Width of the beam search; 1 is greedy.")] = 5,
) -> None:
    """Print what each text becomes when its posterior mean is decoded."""
    from latentia.decoding import Beam
    from latentia.recipes.runs import load

    for text in load(run).reconstruct(texts, Beam(beam)):
        results.print(text, markup=False)


def interpolate(
    run: Run,
    a: Annotated[str, typer.Argument(metavar="TEXT", help="Where the line starts.")],
    b: Annotated[str, typer.Argument(metavar="TEXT", help="Where it ends.")],
    steps: Annotated[int, typer.Option(min=2, help="Points on the line, both ends counted.")] = 7,
    beam: Annotated[int, typer.Option(min=1, help="Width of the beam search; 1 is greedy.")] = 5,
) -> None:
    """Print the texts on the line between two posterior means."""
    from latentia.decoding import Beam
    from latentia.recipes.runs import load

    for text in load(run).interpolate(a, b, steps, Beam(beam)):
        results.print(text, markup=False)
