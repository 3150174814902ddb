"""How well codes tell labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from latentia.data import Selection
from latentia.evaluation.estimates import average
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.shapes import AtLeastTwo, PositiveInt

Labels = NDArray[np.int64]

ITERATIONS = 2000
"""Most steps of the solver of a logistic regression."""


class Representation(Measure):
    """Share of held-out sequences whose label is predicted from the centre of their posterior, cross-validated.

    ``linear`` is a logistic regression with an L2 penalty of weight 1 (``C = 1``) on dimensions that are standardised
    on the training folds alone, ``neighbours`` the vote of the nearest codes, by distance in the space as it is.
    ``majority`` is the share of the most frequent label, which codes that know nothing reach, and ``bag_of_words`` a
    logistic regression on the counts of tokens, which is what a linear probe can find in the text itself.

    Folds hold as many of each label as they can, and no sequence is predicted by a model that saw it. Errors are over
    sequences, the fitted models taken as given.

    Args:
        neighbours: Codes that vote.
        folds: Parts, each predicted from the others.
        examples: Most sequences to take. Two thousand take some ten seconds, most of them for the bag of words.

    Source: Alain and Bengio, Understanding Intermediate Layers Using Linear Classifier Probes, 2017.
    """

    def __init__(self, neighbours: PositiveInt = 10, folds: AtLeastTwo = 5, examples: PositiveInt = 2000) -> None:
        """Take the sizes."""
        self.neighbours, self.folds, self.examples = neighbours, folds, examples

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Predict every label from the other folds."""
        chosen = self._chosen(subject)
        codes, labels, accuracies = subject.centres(chosen).double().numpy(), _labels(chosen), {}
        for name, examples, model in (
            ("linear", codes, _linear()),
            ("neighbours", codes, self._vote(labels)),
            ("bag_of_words", [dict(Counter(map(str, ids))) for ids in chosen.tokens()], _bag_of_words()),
        ):
            accuracies[name] = average(cross_validated(examples, labels, model, self.folds, subject.seed))
            advance(1)
        frequent = torch.from_numpy(labels == np.bincount(labels).argmax())
        return {
            "sequences": len(chosen),
            "labels": len(np.unique(labels)),
            "majority": average(frequent.double()),
            **accuracies,
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out one line a predictor."""
        of = f"{result['labels']} labels of {result['sequences']:,} sequences"
        names = {
            "linear": f"linear probe of posterior centres, accuracy, {of}",
            "neighbours": "nearest neighbours, accuracy",
            "bag_of_words": "linear in the counts of tokens, accuracy",
            "majority": "most frequent label, share",
        }
        return [line(name, result[key]) for key, name in names.items()]

    def work(self, subject: Subject) -> int:
        """Count the predictors."""
        return 3

    def unfit(self, subject: Subject) -> str:
        """Say that there are no labels, or too few of one."""
        if not subject.model.whole_codes:
            return "codes of one a token are not compared between sequences"
        if not subject.held_out.corpus.label_names:
            return "the held-out sequences have no labels: name their column with --label"
        counts = np.bincount(_labels(self._chosen(subject)))
        counts = counts[counts > 0]
        if len(counts) < 2:
            return "all held-out sequences have one label"
        return (
            "" if counts.min() >= self.folds else f"a label has {counts.min()} sequences, fewer than {self.folds} folds"
        )

    def _chosen(self, subject: Subject) -> Selection:
        return subject.held_out.shuffled(subject.seed).first(self.examples)

    def _vote(self, labels: Labels) -> object:
        from sklearn.neighbors import KNeighborsClassifier

        others = len(labels) - -(-len(labels) // self.folds)
        return KNeighborsClassifier(min(self.neighbours, others))


def cross_validated(examples: object, labels: Labels, model: object, folds: int, seed: int) -> Float64[Tensor, " N"]:
    """1 for each example whose label is predicted by a model fitted to the other folds, 0 for the others.

    Args:
        examples: What the model takes, one an example.
        labels: What it is to predict.
        model: An estimator of scikit-learn.
        folds: Each holds as many of every label as it can.
        seed: Of the folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return torch.from_numpy(cross_val_predict(model, examples, labels, cv=parts) == labels).double()


def _labels(chosen: Selection) -> Labels:
    labels: Labels = chosen.corpus.labels[chosen.rows]
    return labels


def _linear() -> object:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))


def _bag_of_words() -> object:
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(DictVectorizer(), LogisticRegression(max_iter=ITERATIONS))
