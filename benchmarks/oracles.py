"""Every estimator against the exact value of something solved: bias, standard error, time.

usage: python benchmarks/oracles.py [--repeats N] [--out FILE.md]

Each estimator is run on several independent samples. ``bias`` is the mean of estimate less exact value over these,
with the standard error of that mean; ``claimed`` is the mean of the standard errors that the estimator gave, and
``seen`` the standard deviation of its estimates, which the first should be. An estimator of a bound is meant to be
biased upwards. A number without a claimed error is computed without noise, or over data that are the same in each run.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from latentia.data import Grammar, Word
from latentia.distributions import DiagonalGaussian, GaussianMixture, information_of_each
from latentia.evaluation import (
    InferenceGap,
    KneserNey,
    importance_weighted_likelihood,
    joint_gap,
    marginal_gap,
    reverse_marginal_gap,
)
from latentia.evaluation.comparison import as_markdown, as_table
from latentia.evaluation.defensive import defensive_weights
from latentia.evaluation.factors import information_gap
from latentia.evaluation.likelihood import importance_weights
from latentia.evaluation.surgery import surgery
from latentia.evaluation.two_sample import classifier_two_sample_test
from latentia.functional.annealing import Path as Annealing
from latentia.functional.annealing import annealed_log_weights, pilot_steps, sigmoid_places
from latentia.functional.importance import log_mean_exp, mean_and_standard_error
from latentia.records import Batch
from tests.evaluation.small import exact_evidence, one_dimensional
from tests.evaluation.test_calibration import drawn, fitted
from tests.oracles.linear_gaussian import LinearGaussian

Estimate = tuple[float, float]
"""Value and claimed standard error; NaN where none is claimed."""

PLACES, CHAINS, LEAPFROGS = 40, 2, 3


@dataclass(frozen=True)
class Case:
    """An estimator, what it is tried on, the exact value, and one run of it."""

    oracle: str
    estimator: str
    exact: float
    run: Callable[[], Estimate]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    header = ["oracle", "estimator", "exact", "bias", "claimed s.e.", "seen", "seconds"]
    grid = [header, *(_row(case, given.repeats) for case in _cases())]
    Console(width=160).print(as_table(grid))
    if given.out:
        given.out.write_text(as_markdown(grid) + "\n")


def _cases() -> list[Case]:
    return [*_likelihoods(), *_language_of_three_words(), *_grammar(), *_information(), *_gaps(), *_known_answers()]


def _row(case: Case, repeats: int) -> list[str]:
    begin, values, errors = time.perf_counter(), [], []
    for seed in range(repeats):
        torch.manual_seed(seed)
        value, error = case.run()
        values.append(value)
        errors.append(error)
    seconds = (time.perf_counter() - begin) / repeats
    bias, spread = statistics.mean(values) - case.exact, statistics.stdev(values)
    claimed = statistics.mean(errors)
    return [
        case.oracle,
        case.estimator,
        f"{case.exact:.4f}",
        f"{bias:+.4f} ± {spread / math.sqrt(repeats):.4f}",
        "none" if math.isnan(claimed) else f"{claimed:.4f}",
        f"{spread:.4f}",
        f"{seconds:.3f}",
    ]


# The data of the linear-Gaussian oracle are given, so that what varies is the noise of the estimator; its error, as far
# as it is claimed, is that over these same data.
def _likelihoods() -> list[Case]:
    oracle = LinearGaussian(spread=2.0)
    exact = -oracle.evidence().mean().item()
    gap = _divergence(oracle)
    name = "linear-Gaussian, posterior twice too wide"
    return [
        Case(name, "negative ELBO, 50 draws", exact + gap, lambda: _paired(-_elbo(oracle, 50))),
        *(
            Case(name, f"nll_iw({count})", exact, lambda count=count: _paired(-log_mean_exp(_weights(oracle, count))))
            for count in (1, 10, 50, 500)
        ),
        Case(name, "nll_defensive(100, 0.2)", exact, lambda: _paired(-log_mean_exp(_defensive(oracle)))),
        Case(name, f"nll_ais, {PLACES} temperatures", exact, lambda: _paired(_annealed(oracle)[0])),
        Case(name, f"reverse annealing, {PLACES} temperatures", exact, lambda: _paired(_annealed(oracle)[1])),
        *_inference_gaps(),
    ]


def _inference_gaps() -> list[Case]:
    oracle = LinearGaussian(spread=3.0, angle=0.6)
    precision = torch.eye(2) + oracle.weight.T @ oracle.weight / oracle.noise**2
    least = 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    measure = InferenceGap(steps=100, learning_rate=0.1, draws=4, samples=300)
    name = "linear-Gaussian, turned and too wide"

    def gaps() -> Tensor:
        elbo, refined, evidence = measure.bounds(oracle.explain, oracle.posterior())
        return torch.stack([refined - elbo, evidence - refined])

    return [
        Case(name, "amortisation gap", _divergence(oracle) - least, lambda: _paired(gaps()[0])),
        Case(name, "approximation gap", least, lambda: _paired(gaps()[1])),
    ]


def _divergence(oracle: LinearGaussian) -> float:
    """Mean KL of the recogniser from the exact posterior."""
    posterior = oracle.posterior()
    dense = MultivariateNormal(posterior.mean, torch.diag_embed(posterior.variance))
    return kl_divergence(dense, oracle.exact_posterior()).mean().item()


def _elbo(oracle: LinearGaussian, draws: int) -> Tensor:
    """Bound with the KL in closed form."""
    run = oracle.run(draws)
    [latent] = run.latents
    return run.log_likelihood.mean(dim=0) - kl_divergence(latent.posterior, latent.prior)


def _weights(oracle: LinearGaussian, draws: int) -> Tensor:
    return importance_weights(oracle.run(draws))


def _defensive(oracle: LinearGaussian) -> Tensor:
    def score(codes: Tensor) -> Tensor:
        return torch.distributions.Normal(codes @ oracle.weight.T, oracle.noise).log_prob(oracle.data).sum(dim=-1)

    return defensive_weights(score, _standard(2), oracle.posterior(), 100, 20)[1]


def _annealed(oracle: LinearGaussian) -> tuple[Tensor, Tensor]:
    """Negative log-evidence of each example from above, and from below with an exact draw to begin from."""
    posterior, prior = oracle.posterior(), _standard(2)

    def joint(codes: Tensor) -> Tensor:
        likelihood = torch.distributions.Normal(codes @ oracle.weight.T, oracle.noise).log_prob(oracle.data)
        return likelihood.sum(dim=-1) + prior.log_prob(codes)

    path, places = Annealing(posterior.log_prob, joint), sigmoid_places(PLACES)
    steps = pilot_steps(path, posterior.sample((4,)), places, posterior.stddev, LEAPFROGS)
    up, _ = annealed_log_weights(path, posterior.sample((CHAINS,)), places, steps, LEAPFROGS)
    exact = oracle.exact_posterior().sample((CHAINS,))
    down, _ = annealed_log_weights(path, exact, places[::-1], steps.flip(0), LEAPFROGS)
    return -log_mean_exp(up), log_mean_exp(down)


def _language_of_three_words() -> list[Case]:
    """One latent dimension, integrated."""
    torch.manual_seed(0)
    model, batch = one_dimensional(), Batch.collate([[4, 5], [6, 6], [5]])
    exact = -exact_evidence(model, batch).mean().item()
    return [
        Case(
            "three-word language, quadrature",
            f"nll_iw({count})",
            exact,
            lambda count=count: _paired(importance_weighted_likelihood(model, [batch], count).nll_iw),
        )
        for count in (10, 1000)
    ]


def _grammar() -> list[Case]:
    """Of 1,000 sentences that are drawn anew in each run; a model of the text cannot pass the entropy."""
    grammar, tokenizer = Grammar(), Word()
    training, _ = grammar.sample(20_000, seed=0)
    trained = tokenizer.train(training)
    model = KneserNey(map(trained.encode, training), trained.vocabulary_size)

    def sentences() -> list[str]:
        return grammar.sample(1000, seed=1 + int(torch.randint(2**31, ())))[0]

    def source() -> Estimate:
        return mean_and_standard_error(torch.tensor([-grammar.log_probability(text) for text in sentences()]))

    def trigram() -> Estimate:
        nats, _ = model.negative_log_likelihood(map(trained.encode, sentences()))
        return mean_and_standard_error(torch.from_numpy(nats))

    return [
        Case("grammar, entropy", "mean of the source's own -log p", grammar.entropy(), source),
        Case("grammar, entropy", "Kneser-Ney trigram, nats a sentence (above it)", grammar.entropy(), trigram),
    ]


def _paired(values: Tensor) -> Estimate:
    """The mean over the examples; they are the same in every run, so that no error over them is claimed."""
    return values.mean().item(), math.nan


def _information() -> list[Case]:
    rows, correlation = 4000, 0.6
    total = -0.5 * math.log(1 - correlation**2)
    channel = 0.5 * math.log(4)

    def information() -> Estimate:
        means = math.sqrt(3) * torch.randn(rows, 1)
        return mean_and_standard_error(information_of_each(DiagonalGaussian(means, torch.zeros(rows, 1)), 2))

    def part(name: str, noise: float) -> Estimate:
        # Means and noise together are the correlated Gaussian, whatever share of it the noise is.
        covariance = torch.tensor([[1 - noise, correlation], [correlation, 1 - noise]])
        means = MultivariateNormal(torch.zeros(2), covariance).sample((rows,))
        posterior = DiagonalGaussian(means, torch.full((rows, 2), math.log(noise)))
        return mean_and_standard_error(surgery(posterior, _standard(2), 2)[name])

    names = {"total_correlation": "total correlation", "aggregate_kl": "KL(q(z) || p(z))"}
    return [
        Case("channel N(0, 3) -> N(z, 1), 4,000 texts", "information, full set", channel, information),
        *(
            Case(
                f"aggregate correlated by 0.6, {noise:.1%} noise, 4,000 texts",
                title,
                total,
                lambda name=name, noise=noise: part(name, noise),
            )
            for noise in (0.3, 0.001)
            for name, title in names.items()
        ),
    ]


def _gaps() -> list[Case]:
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -0.5]])
    shifted = DiagonalGaussian(mean.expand(50, -1), log_variance.expand(50, -1))
    forward, reverse = (kl_divergence(*pair).item() for pair in _pairs(DiagonalGaussian(mean[0], log_variance[0])))
    name = "shifted Gaussian, 2 dimensions"
    distance = 1.0
    right = 0.5 * (1 + math.erf(distance / 2 / math.sqrt(2)))

    def joint() -> Estimate:
        found = joint_gap(shifted, _standard(2), 65_536)
        return found["value"], found["standard_error"]

    def accuracy() -> Estimate:
        far = torch.randn(2000, 4) + torch.tensor([distance, 0.0, 0.0, 0.0])
        found = classifier_two_sample_test(torch.randn(2000, 4), far)["accuracy"]
        return found["value"], found["standard_error"]

    prior = DiagonalGaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    return [
        Case(name, "joint gap KL(p || q), 65,536 draws", forward, joint),
        Case(name, "marginal gap KL(p || q), quadrature", forward, lambda: _sum(marginal_gap(shifted, prior))),
        Case(name, "marginal gap KL(q || p), quadrature", reverse, lambda: _sum(reverse_marginal_gap(shifted, prior))),
        Case("N(0, 1) and N(1, 1) in 4 dimensions", "two-sample accuracy (best possible)", right, accuracy),
    ]


def _known_answers() -> list[Case]:
    """Clusters that are far apart, a mixture that overlaps, logits that were doubled, factors that stand alone."""
    clusters = 20 * torch.arange(8.0).repeat(100)[:, None]
    apart = DiagonalGaussian(clusters, torch.zeros_like(clusters))
    prior = DiagonalGaussian(torch.tensor([[-1.0], [2.0]]), torch.tensor([[0.0], [-1.0]]))
    points = torch.linspace(-15, 15, 20_001, dtype=torch.float64)
    density = sum(torch.distributions.Normal(*part).log_prob(points).exp() / 2 for part in _normals(prior))
    one = torch.distributions.Normal(0.5, 2.0).log_prob(points)
    exact = torch.trapezoid(density * (density.log() - one), points).item()
    aggregate = DiagonalGaussian(torch.full((50, 1), 0.5), torch.full((50, 1), math.log(4.0)))

    def overlapping() -> Estimate:
        found = joint_gap(aggregate, GaussianMixture(prior), 65_536)
        return found["value"], found["standard_error"]

    def temperature() -> Estimate:
        found = fitted(drawn(20, 1000, scale=2.0))
        inverse = found.weights[0].item()
        return 1 / inverse, found.covariance[0, 0].sqrt().item() / inverse**2

    def gap() -> Estimate:
        factors = torch.randint(4, (1000, 4))
        codes = DiagonalGaussian(10.0 * factors.float(), torch.zeros(1000, 4))
        found = information_gap(codes, factors, 50)["information_gap"]
        return found["value"], found["standard_error"]

    return [
        Case("eight clusters, far apart", "information, full set", math.log(8), lambda: _information_of(apart)),
        Case("mixture of two Gaussians as prior", "joint gap KL(p || q), 65,536 draws", exact, overlapping),
        Case("tokens of logits that are then doubled", "fitted temperature, 20,000 tokens", 2.0, temperature),
        Case("a dimension a factor", "mutual information gap (MIG)", 1.0, gap),
    ]


def _normals(components: DiagonalGaussian) -> list[tuple[Tensor, Tensor]]:
    return list(zip(components.mean[:, 0].double(), components.stddev[:, 0].double(), strict=True))


def _information_of(posteriors: DiagonalGaussian) -> Estimate:
    return mean_and_standard_error(information_of_each(posteriors, 1))


def _pairs(shifted: DiagonalGaussian) -> tuple[tuple[DiagonalGaussian, DiagonalGaussian], ...]:
    return (_standard(2), shifted), (shifted, _standard(2))


def _sum(gaps: Tensor) -> Estimate:
    return gaps.sum().item(), math.nan


def _standard(dimensions: int) -> DiagonalGaussian:
    return DiagonalGaussian(torch.zeros(dimensions), torch.zeros(dimensions))


if __name__ == "__main__":
    main()
