"""Whether a classifier can tell two samples apart."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Binomial

FEATURES, WEIGHT_DECAY, EPOCHS, SHRINKAGE = 64, 1.0, 100, 0.1
Array = NDArray[np.float64]
Labelled = tuple[Array, Array]
"""Codes, and which sample each is of."""


def classifier_two_sample_test(
    left: Float[Tensor, "N D"], right: Float[Tensor, "N D"], seed: int = 0
) -> dict[str, Any]:
    r"""Train a classifier on one half of two samples, and test it on the other.

    Differences of means, of variances and covariances, and of what is beyond them call for different classifiers: a
    quadratic discriminant, and a network of one layer that is shown :math:`z_i`, :math:`z_i^2` and the length. Their
    probabilities are averaged: a choice between them would need codes to choose on. Where the half holds too few codes
    for a covariance, the discriminant takes dimensions as independent.

    Whatever the classifier is, without a difference each answer on the other half is right by chance, and
    ``p_value`` is the probability of as many right answers or more of that many throws of a coin. It is exact where
    the classifier names both samples as often, and otherwise too large, never too small (Hoeffding, 1956).

    Args:
        left: Independent codes, four or more.
        right: As many, independent of those.
        seed: Of the halves and the network.

    Returns:
        ``accuracy`` on ``tested_on`` codes with its standard error, ``p_value``, and what the ``classifier`` is.

    Source: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017, section 3.
    """
    random = np.random.default_rng(seed)
    fitted_to, tested_on = _halves(left, right, random)
    right_answers = _right(_fitted(_classifier(fitted_to, seed), fitted_to), tested_on)
    accuracy, count = float(right_answers.mean()), len(right_answers)
    return {
        "accuracy": {"value": accuracy, "standard_error": math.sqrt(accuracy * (1 - accuracy) / count)},
        "p_value": heads_or_more(int(right_answers.sum()), count),
        "classifier": "quadratic discriminant and network",
        "tested_on": count,
    }


def heads_or_more(heads: int, throws: int) -> float:
    """Probability of so many heads or more.

    >>> round(heads_or_more(3, 4), 6)
    0.3125
    """
    total = torch.tensor(float(throws), dtype=torch.float64)
    coin = Binomial(total, torch.full_like(total, 0.5))
    log_probability: Tensor = coin.log_prob(torch.arange(heads, throws + 1, dtype=torch.float64))
    return log_probability.logsumexp(dim=0).exp().item()


def _halves(left: Tensor, right: Tensor, random: np.random.Generator) -> tuple[Labelled, Labelled]:
    """Two halves with as many codes of each sample."""
    codes = [random.permutation(part.double().cpu().numpy()) for part in (left, right)]
    half = len(left) // 2
    first, second = (
        np.concatenate([part[rows] for part in codes]) for rows in (slice(None, half), slice(half, 2 * half))
    )
    label = np.repeat([0.0, 1.0], half)
    return (first, label), (second, label)


def _classifier(data: Labelled, seed: int) -> Any:  # noqa: ANN401 - scikit-learn carries no annotations
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.ensemble import VotingClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    codes, _ = data
    enough = len(codes) > 4 * codes.shape[1]
    quadratic = QuadraticDiscriminantAnalysis(reg_param=SHRINKAGE) if enough else GaussianNB()
    network = MLPClassifier((FEATURES,), alpha=WEIGHT_DECAY, max_iter=EPOCHS, random_state=seed)
    shown = FunctionTransformer(_squares)
    both = [
        ("quadratic", make_pipeline(StandardScaler(), quadratic)),
        ("network", make_pipeline(shown, StandardScaler(), network)),
    ]
    return VotingClassifier(both, voting="soft")


def _squares(codes: Array) -> Array:
    return np.concatenate([codes, codes**2, np.linalg.norm(codes, axis=1, keepdims=True)], axis=1)


def _fitted(classifier: Any, data: Labelled) -> Any:  # noqa: ANN401 - scikit-learn carries no annotations
    with warnings.catch_warnings():
        # A network that is stopped before it has converged is a classifier like any other.
        warnings.simplefilter("ignore")
        return classifier.fit(*data)


def _right(classifier: Any, data: Labelled) -> NDArray[np.bool_]:  # noqa: ANN401
    codes, label = data
    right: NDArray[np.bool_] = classifier.predict(codes) == label
    return right


def distance_to_nearest(
    codes: Float[Tensor, "P D"], centres: Float[Tensor, "N D"], left_out: Tensor, chunk: int = 2**22
) -> Float[Tensor, " P"]:
    """Euclidean distance of each code to the nearest of the centres but one, which differs from code to code."""
    step, centres, nearest = max(1, chunk // len(centres)), centres.double(), []
    for block, own in zip(codes.double().split(step), left_out.split(step), strict=True):
        nearest.append(torch.cdist(block, centres).scatter_(1, own[:, None], torch.inf).amin(dim=1))
    return torch.cat(nearest)
