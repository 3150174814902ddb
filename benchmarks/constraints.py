"""Random demands of phrases: are all met or reported impossible, and at what speed beside decoding without demands?

usage: python benchmarks/constraints.py --run RUN --data FILE --count N [--width W] [--batch B] [--max-tokens T]

Each case has one to four phrases of one to three tokens that must appear, drawn from sentences of FILE, and in one case
of five another that must not. Its code is drawn from the prior. What comes out is checked by looking for the phrases;
what is reported as impossible by looking for what must not appear within what must: nothing else makes so few phrases
impossible. Beams of one width decode the same codes with and without demands, by turns of a batch.

Of both kinds of texts stand beside each other: perplexity under a Kneser-Ney model of the training text, and diversity
of the first 1,000.

Source: of the metrics, Garbacea and Mei, Neural Text Generation under Constraints, 2022.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

import latentia
from latentia.data import Columns, read_texts
from latentia.decoding import AllocatedBeam, Beam, decode
from latentia.decoding.automaton import Automaton, containing, side_by_side
from latentia.decoding.constrained import Constrained
from latentia.errors import ImpossibleError
from latentia.evaluation.diversity import diversity
from latentia.evaluation.ngram import KneserNey
from latentia.evaluation.text import perplexity_under
from latentia.operations import TextSpace
from latentia.operations.constraints import Demand, all_of
from latentia.operations.space import seeded

Phrase = tuple[int, ...]
DIVERSE = 1000
KINDS = ("plain", "demanded")
DIVERSITY = ("distinct_1", "distinct_2", "self_bleu")


@dataclass
class Tally:
    """What became of the cases, the seconds that each kind took, and its texts."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, list[list[int]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


@dataclass(frozen=True)
class Case:
    """What must and what must not appear."""

    must: list[Phrase]
    must_not: list[Phrase]

    def automaton(self, vocabulary_size: int, max_tokens: int) -> Automaton:
        """Compile the case; raises ImpossibleError if it is."""
        demands = [Demand(f"must {phrase}", containing(phrase, vocabulary_size)) for phrase in self.must]
        demands += [Demand(f"must not {phrase}", ~containing(phrase, vocabulary_size)) for phrase in self.must_not]
        return all_of(demands, max_tokens)

    def met(self, tokens: Sequence[int]) -> bool:
        """Look for the phrases."""
        return all(_holds(tokens, phrase) for phrase in self.must) and not self._broken([tuple(tokens)])

    def contradicts_itself(self) -> bool:
        """Look for what must not appear within what must."""
        return self._broken(self.must)

    def _broken(self, texts: Sequence[Phrase]) -> bool:
        return any(_holds(text, phrase) for text in texts for phrase in self.must_not)


def main() -> None:
    """Decode, check and print."""
    arguments = _arguments()
    space = latentia.load(arguments.run)
    texts = list(read_texts([str(arguments.data)], Columns("text")))
    sentences = [ids for ids in space.tokenizer.encode_batch(texts) if ids]
    draw = random.Random(0)
    tally = Tally()
    for start in range(0, arguments.count, arguments.batch):
        cases = [_case(sentences, draw) for _ in range(min(arguments.batch, arguments.count - start))]
        _decode(space, cases, start, arguments, tally)
    for kind in ("satisfied", "impossible", "wrongly impossible", "violated"):
        print(f"{kind:<20}{tally.counts[kind]:>8,}")
    demanded, plain = (tally.counts["decoded"] / tally.seconds[kind] for kind in ("demanded", "plain"))
    print(
        f"{plain:.1f} sentences/s without demands, {demanded:.1f} with, compiling included: {demanded / plain:.2f}x\n"
    )
    _print_quality(space, tally)


def _print_quality(space: TextSpace, tally: Tally) -> None:
    """Print perplexity and diversity of both kinds of texts."""
    model = KneserNey(space.training.tokens(), space.tokenizer.vocabulary_size)
    print(f"{'texts':<20}{'perplexity':>12}{'distinct-1':>12}{'distinct-2':>12}{'self-BLEU':>12}")
    for kind, name in zip(KINDS, ("without demands", "with demands"), strict=True):
        found = diversity(list(map(space.tokenizer.decode, tally.tokens[kind][:DIVERSE])))
        numbers = [perplexity_under(model, tally.tokens[kind]), *(found[key] for key in DIVERSITY)]
        print(f"{name:<20}" + "".join(f"{number['value']:>12.4g}" for number in numbers))


def _decode(space: TextSpace, cases: Sequence[Case], key: int, arguments: argparse.Namespace, tally: Tally) -> None:
    """Decode a batch of cases with and without their demands."""
    began = time.perf_counter()
    possible = {}
    for case in cases:
        try:
            possible[id(case)] = (case, case.automaton(space.tokenizer.vocabulary_size, arguments.max_tokens))
        except ImpossibleError:
            tally.counts["impossible" if case.contradicts_itself() else "wrongly impossible"] += 1
    tally.seconds["demanded"] += time.perf_counter() - began
    with seeded(key):
        codes = space.model.sample(len(possible), space.steps)[None]
    kept = [case for case, _ in possible.values()]
    for kind in KINDS:
        began = time.perf_counter()
        strategy = Beam(arguments.width)
        if kind == "demanded":
            together, starts = side_by_side([automaton for _, automaton in possible.values()])
            strategy = Constrained(AllocatedBeam(arguments.width), together, starts)
        with torch.no_grad():
            found = decode(space.model.decoder(codes), strategy, arguments.max_tokens)
        tally.tokens[kind] += found
        tally.seconds[kind] += time.perf_counter() - began
    tally.counts["decoded"] += len(kept)
    tally.counts.update(
        "satisfied" if case.met(tokens) else "violated" for case, tokens in zip(kept, found, strict=True)
    )


def _case(sentences: Sequence[Sequence[int]], draw: random.Random) -> Case:
    must = [_phrase(draw.choice(sentences), draw) for _ in range(draw.randint(1, 4))]
    forbidden = [*must, *draw.choices(sentences, k=3)]
    return Case(must, [_phrase(draw.choice(forbidden), draw)] if draw.random() < 0.2 else [])


def _phrase(tokens: Sequence[int], draw: random.Random) -> Phrase:
    size = min(len(tokens), draw.randint(1, 3))
    start = draw.randint(0, len(tokens) - size)
    return tuple(tokens[start : start + size])


def _holds(tokens: Sequence[int], phrase: Phrase) -> bool:
    return any(tuple(tokens[start : start + len(phrase)]) == phrase for start in range(len(tokens)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=40)
    return parser.parse_args()


if __name__ == "__main__":
    main()
