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

from latentia.distributions import DiagonalGaussian, information_of_each
from latentia.evaluation import InferenceGap, joint_gap, marginal_gap, reverse_marginal_gap
from latentia.evaluation.comparison import as_markdown, as_table
from latentia.evaluation.defensive import defensive_weights
from latentia.evaluation.likelihood import importance_weights
from latentia.evaluation.surgery import surgery
from latentia.evaluation.two_sample import classifier_two_sample_test
from latentia.functional.annealing import Path as Annealing
from latentia.functional.annealing import annealed_log_weights, pilot_steps, sigmoid_places
from latentia.functional.importance import log_mean_exp, mean_and_standard_error
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
    grid = [header, *(_row(case, given.repeats) for case in [*_likelihoods(), *_information(), *_gaps()])]
    Console(width=160).print(as_table(grid))
    if given.out:
        given.out.write_text(as_markdown(grid) + "\n")


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


def _pairs(shifted: DiagonalGaussian) -> tuple[tuple[DiagonalGaussian, DiagonalGaussian], ...]:
    return (_standard(2), shifted), (shifted, _standard(2))


def _sum(gaps: Tensor) -> Estimate:
    return gaps.sum().item(), math.nan


def _standard(dimensions: int) -> DiagonalGaussian:
    return DiagonalGaussian(torch.zeros(dimensions), torch.zeros(dimensions))


if __name__ == "__main__":
    main()
