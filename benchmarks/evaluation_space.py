"""Time and memory of information and joint gap over large aggregates, against plain PyTorch in the same run.

usage: python benchmarks/evaluation_space.py [--sequences N] [--draws P] [--dimensions D] [--threads T] [--json FILE]

Both sides evaluate the mixture of all posteriors at one code of each and at the prior's draws. The baseline broadcasts
``torch.distributions.Normal`` over chunks of codes, in float32 and of a hundredth of the codes, from which its time
for all is told. The goal is 10,000 posteriors of 32 dimensions and 128,000 draws in 60 s and 1 GB on two threads.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
from pathlib import Path

import torch
from torch import Tensor

from latentia.distributions import DiagonalGaussian, information_of_each
from latentia.evaluation import joint_gap

SHARE, CODES_AT_A_TIME = 0.01, 16
GOAL_SECONDS, GOAL_GIGABYTES = 60, 1


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("sequences", 10_000), ("draws", 128_000), ("dimensions", 32), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", help="write the figures here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = space(arguments.sequences, arguments.draws, arguments.dimensions)
    for name, value in figures.items():
        print(f"{name:<34}{value:>12.4g}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))


def space(sequences: int, draws: int, dimensions: int) -> dict[str, float]:
    """Full-set information and joint gap of synthetic posteriors: seconds, peak memory, ratio, and how they agree."""
    torch.manual_seed(0)
    aggregate = DiagonalGaussian(0.8 * torch.randn(sequences, dimensions), torch.randn(sequences, dimensions) - 1)
    prior = DiagonalGaussian(torch.zeros(dimensions), torch.zeros(dimensions))
    before = _peak()
    processor = time.process_time()
    seconds_of_information, information = _timed(lambda: information_of_each(aggregate, 1).mean().item())
    seconds_of_gap, gap = _timed(lambda: joint_gap(aggregate, prior, draws)["value"])
    processor = time.process_time() - processor
    peak, seconds = _peak(), seconds_of_information + seconds_of_gap
    few = prior.sample(torch.Size([max(1, round(SHARE * (sequences + draws)))]))
    plain_seconds, plain = _timed(lambda: _plain_mixture(aggregate, few))
    ours_seconds, ours = _timed(lambda: aggregate.mixture_log_prob(few))
    exact = torch.cat([aggregate.component_log_prob(part.double()).logsumexp(dim=1) for part in few.split(64)])
    exact -= math.log(sequences)
    return {
        "information, nats": information,
        "joint gap, nats": gap,
        "information, seconds": seconds_of_information,
        "joint gap, seconds": seconds_of_gap,
        "processor seconds of both": processor,
        "share of the goal's seconds": seconds / GOAL_SECONDS,
        "peak memory, GB": peak,
        "share of the goal's memory": peak / GOAL_GIGABYTES,
        "peak memory before, GB": before,
        "plain PyTorch for all, seconds": plain_seconds * (sequences + draws) / len(few),
        "ratio on the same codes": plain_seconds / ours_seconds,
        "largest error, nats": (ours - exact).abs().max().item(),
        "largest error of plain, nats": (plain.double() - exact).abs().max().item(),
    }


def _plain_mixture(aggregate: DiagonalGaussian, codes: Tensor) -> Tensor:
    """The mixture as one would write it first."""
    components = torch.distributions.Normal(aggregate.mean, aggregate.stddev)
    blocks = codes.split(CODES_AT_A_TIME)
    sums = [components.log_prob(block[:, None]).sum(dim=-1).logsumexp(dim=1) for block in blocks]
    return torch.cat(sums) - math.log(len(aggregate.mean))


def _timed(work) -> tuple[float, object]:  # noqa: ANN001 - a function without arguments
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def _peak() -> float:
    """Largest resident set so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
