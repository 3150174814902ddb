"""What new texts do for classifiers that have few: nested subsets, a fixed test part, baselines, intervals.

Source: Bayer, Kaufhold and Reuter, A Survey on Data Augmentation for Text Classification, 2022, for the methods; the
protocol answers its section on what makes comparisons unfair.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.data import Corpus, Selection
from latentia.errors import InputError
from latentia.evaluation.diversity import diversity
from latentia.evaluation.text import require_libraries
from latentia.functional.resampling import paired_interval
from latentia.operations.examples import Examples, Ids, classifier, token_counts
from latentia.operations.gain import MIXUP, NONE, OVERSAMPLE, Conditions, Gain, Quality
from latentia.operations.novelty import MIXING, Plan, known_texts, new_texts
from latentia.operations.perturbation import EASY, PERTURBATIONS, easy_copies
from latentia.operations.space import Space

_LOG = logging.getLogger(__name__)

SIZES = (5, 10, 20, 50, 100)
"""Texts a class in the nested subsets."""

SEEDS = 10
TESTED = 1000
"""Most test texts of a class; a third of each class where it has fewer than three times as many."""

TOKENS, CODES = "tokens", "codes"

COMPARED = 3
"""Fewest texts that can be compared with each other, any of them left out."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]
Labelled = tuple[list[str], Ids]
"""Texts, and the place of each one's label."""

NOTHING: Labelled = ([], np.empty(0, dtype=np.int64))


def gains(space: Space, examples: Examples, plan: Plan) -> Iterator[Conditions | Gain | Quality]:
    """Split off a test part and measure on the rest.

    Raises:
        InputError: If there are fewer than two classes, or too few texts of one.
    """
    return gains_on(space, *split(space, examples, plan.seed), plan)


def split(space: Space, examples: Examples, seed: int) -> tuple[Examples, Examples]:
    """Return the pool of the subsets and the test part, which share no text.

    What the generator knows is in the test part only where a class has too few other texts.
    """
    ids = map(tuple, space.tokenizer.encode_batch(examples.texts))
    first = {each: row for row, each in reversed(list(enumerate(ids)))}
    unique = examples.at(np.array(sorted(first.values())))
    draw = np.random.default_rng(seed)
    known = _known(space, unique.texts)
    shuffled = [_sorted_by(known, draw.permutation(members)) for members in unique.members()]
    ends = [min(TESTED, len(members) // 3) for members in shuffled]
    pool = [members[end:] for members, end in zip(shuffled, ends, strict=True)]
    test = [members[:end] for members, end in zip(shuffled, ends, strict=True)]
    return unique.at(np.concatenate(pool)), unique.at(np.concatenate(test))


def _sorted_by(known: Bools, rows: Ids) -> Ids:
    """Put what the generator does not know before what it knows."""
    return rows[np.argsort(known[rows], kind="stable")]


def gains_on(
    space: Space, pool: Examples, test: Examples, plan: Plan, sizes: Sequence[int] = SIZES
) -> Iterator[Conditions | Gain | Quality]:
    """Yield the conditions, then the gains of each size as they are measured, then what was written.

    Args:
        space: The generator.
        pool: Examples of which subsets are drawn.
        test: Examples that everything is tested on, with the same labels, less those that the generator was trained on
            or chosen by.
        plan: How texts are made.
        sizes: Texts a class; those that the pool has not are left out.

    Raises:
        InputError: If there are fewer than two classes, too few texts of one, or other classes in the test part.
    """
    require_libraries()
    if pool.names != test.names:
        raise InputError(f"the test part has the classes {test.names}", f"give it those of the others, {pool.names}")
    test, left_out = _unseen(space, test)
    if len(pool.names) < 2 or not len(test) or pool.smallest() < min(sizes):
        raise InputError(
            f"of {len(pool.names)} classes the smallest has {pool.smallest()} different texts beside the test part",
            f"give at least two classes, and of each {min(sizes) * 3 // 2 + 1} different texts",
        )
    sizes = tuple(size for size in sizes if size <= pool.smallest())
    bench = _Bench(space, pool, test, plan)
    known = left_out if space.knows_training else -1
    conditions = Conditions(len(test), len(pool.names), sizes, SEEDS, plan.copies, known)
    return chain([conditions], chain.from_iterable(map(bench.gains, sizes)), bench.written(max(sizes)))


class _Bench:
    """Subsets, methods and classifiers of one measurement."""

    def __init__(self, space: Space, pool: Examples, test: Examples, plan: Plan) -> None:
        self.space, self.pool, self.test, self.plan = space, pool, test, plan
        self.encoded = dict(zip(pool.texts, pool.posteriors.centre.numpy(), strict=True))
        self.tested = {TOKENS: token_counts(space.tokenizer, test.texts), CODES: test.posteriors.centre.numpy()}

    def subset(self, size: int, seed: int) -> Examples:
        """Take so many texts of each class; a smaller subset of a seed is part of a larger one."""
        draw = np.random.default_rng((self.plan.seed, seed))
        return self.pool.at(np.concatenate([draw.permutation(members)[:size] for members in self.pool.members()]))

    def gains(self, size: int) -> Iterator[Gain]:
        """Measure every method on both kinds of features."""
        correct: dict[tuple[str, str], list[Floats]] = {}
        for seed in range(SEEDS):
            _LOG.info("subsets of %d texts a class: draw %d of %d", size, seed + 1, SEEDS)
            for key, predicted in self._predictions(self.subset(size, seed), seed):
                correct.setdefault(key, []).append((predicted == self.test.labels).astype(np.float64))
        for (features, method), hits in sorted(correct.items(), key=lambda item: item[0][0] == CODES):
            more = torch.from_numpy(np.stack(hits) - np.stack(correct[features, NONE]))
            yield Gain(size, features, method, float(np.mean(hits)), float(more.mean()), *paired_interval(more))

    def written(self, size: int) -> Iterator[Quality]:
        """Describe what is written for the first subset of a size."""
        subset = self.subset(size, 0)
        made = {name: texts for name, (texts, _) in self._made(subset, 0).items()}
        count = min((len(texts) for texts in made.values() if len(texts) >= COMPARED), default=0)
        return (_described(self.space, name, texts[: max(count, 1)], subset) for name, texts in made.items())

    def _predictions(self, subset: Examples, seed: int) -> Iterator[tuple[tuple[str, str], Ids]]:
        """Predict the test labels after training on each method's rows, which weigh as much whatever their number."""
        copies = self.plan.copies
        many = {EASY: easy_copies(len(subset))}
        made = {OVERSAMPLE: NOTHING, **self._made(subset, seed)}
        added = {name: filled(rows, subset, many.get(name, copies)) for name, rows in made.items()}
        for method, (texts, labels) in {NONE: NOTHING, **added}.items():
            weights = np.repeat([1.0, copies * len(subset) / max(1, len(texts))], [len(subset), len(texts)])
            texts, labels = [*subset.texts, *texts], np.concatenate([subset.labels, labels])
            for name, features in ((TOKENS, token_counts(self.space.tokenizer, texts)), (CODES, self._codes(texts))):
                yield (name, method), classifier().fit(features, labels, weights).predict(self.tested[name])
        draw = np.random.default_rng((self.plan.seed, seed, len(subset)))
        yield (CODES, MIXUP), mixed(subset, copies, draw).predict(self.tested[CODES])

    def _made(self, subset: Examples, seed: int) -> dict[str, Labelled]:
        """Write what each method adds to a subset, none of it a text of the test part."""
        draw = np.random.default_rng((self.plan.seed, seed, len(subset)))
        perturbed = {name: self._perturbed(subset, name, draw) for name in PERTURBATIONS}
        return {**perturbed, self.plan.method: self._generated(subset, seed)}

    def _perturbed(self, subset: Examples, name: str, draw: np.random.Generator) -> Labelled:
        """Change the words of each text of a subset."""
        rows = np.tile(np.arange(len(subset)), easy_copies(len(subset)) if name == EASY else self.plan.copies)
        texts = [" ".join(PERTURBATIONS[name](subset.texts[row].split(), len(subset), draw)) for row in rows]
        kept = np.flatnonzero(~_among(self.space, texts, self.space.tokenizer.encode_batch(self.test.texts)))
        return [texts[place] for place in kept], subset.labels[rows[kept]]

    def _generated(self, subset: Examples, seed: int) -> Labelled:
        """Write texts of the model, none of which is a text of the subset or of the test part."""
        fates = known_texts(self.space.tokenizer, [*subset.texts, *self.test.texts])
        made = list(new_texts(self.space, subset, replace(self.plan, seed=self.plan.seed * SEEDS + seed), fates))
        labels = np.array([subset.names.index(each.label) for each in made], dtype=np.int64)
        return [each.text for each in made], labels

    def _codes(self, texts: Sequence[str]) -> Floats:
        """Return the centre of each text's posterior; one that was encoded before is not encoded again."""
        if new := sorted(set(texts) - self.encoded.keys()):
            chosen = Selection.all_of(Corpus.from_texts(new, self.space.tokenizer))
            self.encoded.update(zip(new, self.space.centres(chosen).numpy(), strict=True))
        return np.stack([self.encoded[text] for text in texts])


def filled(made: Labelled, subset: Examples, copies: int) -> Labelled:
    """Repeat texts of the subset where a class has got fewer than ``copies`` rows a text, so that all have as many."""
    texts, labels = made
    missing = [copies * len(members) - int((labels == label).sum()) for label, members in enumerate(subset.members())]
    again = [np.resize(members, count) for members, count in zip(subset.members(), missing, strict=True)]
    rows = np.concatenate(again).astype(np.int64)
    return [*texts, *(subset.texts[row] for row in rows)], np.concatenate([labels, subset.labels[rows]])


def mixed(subset: Examples, copies: int, draw: np.random.Generator) -> Any:  # noqa: ANN401 - scikit-learn has no types
    r"""Fit a classifier to codes and to their mixtures, :math:`\lambda z_i + (1 - \lambda) z_j`, with mixed labels.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, mixup: Beyond Empirical Risk Minimization, 2018, equation 1.
    """
    codes, labels = subset.posteriors.centre.numpy(), subset.labels
    one = np.tile(np.arange(len(subset)), copies)
    other, share = draw.permutation(one), draw.beta(MIXING, MIXING, size=len(one))
    mixture = share[:, None] * codes[one] + (1 - share[:, None]) * codes[other]
    rows = np.concatenate([codes, mixture, mixture])
    weights = np.concatenate([np.ones(len(codes)), share, 1 - share])
    return classifier().fit(rows, np.concatenate([labels, labels[one], labels[other]]), weights)


def _described(space: Space, name: str, texts: list[str], subset: Examples) -> Quality:
    """Describe texts; of fewer than three there is nothing to say."""
    copies = _among(space, texts, space.tokenizer.encode_batch(subset.texts))
    numbers = diversity(texts) if len(texts) >= COMPARED else {}
    return Quality(
        method=name,
        texts=len(texts),
        **{key: numbers[key]["value"] if key in numbers else None for key in ("distinct_1", "distinct_2", "self_bleu")},
        copied=float(copies.mean()) if texts else None,
        training=float(_among(space, texts, space.training.tokens()).mean())
        if texts and space.knows_training
        else None,
    )


def _unseen(space: Space, test: Examples) -> tuple[Examples, int]:
    """Leave out what the generator was trained on or chosen by, and count it.

    Raises:
        InputError: If nothing of a class is left.
    """
    known = _known(space, test.texts)
    unseen = test.at(np.flatnonzero(~known))
    if known.any() and not unseen.smallest():
        seen = f"{int(known.sum()):,} of the test texts"
        raise InputError(
            f"the generator was trained on or chosen by {seen}, all of a class", "give texts it has not seen"
        )
    return unseen, int(known.sum())


def _known(space: Space, texts: Sequence[str]) -> Bools:
    """Tell which texts the generator was trained on or chosen by; none where that is not at hand."""
    return _among(space, texts, space.seen() if space.knows_training else ())


def _among(space: Space, texts: Sequence[str], others: Iterable[Sequence[int]]) -> Bools:
    """Tell which texts are, token for token, among others."""
    ids = list(map(tuple, space.tokenizer.encode_batch(list(texts))))
    found = set(ids).intersection(map(tuple, others))
    return np.array([each in found for each in ids], dtype=bool)
