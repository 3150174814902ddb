"""Training text against held-out text, and the model as it is trained against the model as it is used."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from latentia.data import Selection
from latentia.evaluation.estimates import Estimate, ratio
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.models import TextModel
from latentia.objectives.base import sum_of_kl
from latentia.shapes import AtLeastTwo

BATCH = 64
Rates = tuple[Tensor, Tensor]
"""Nats and tokens of each sequence."""


class Generalisation(Measure):
    r"""Negative ELBO in nats a token: of training text, of held-out text, and of training text in training mode.

    .. math::
        \text{gap} = L_\text{held out} - L_\text{training}, \qquad
        \text{cost of regularisation} = L_\text{training, training mode} - L_\text{training}

    The first two are of the model as it is used. A large gap says that the training text is too little, or learnt by
    heart; a large cost of regularisation beside a small gap says that dropout keeps the model from fitting. Errors take
    the two texts as independent, and the two modes as paired.

    Args:
        sequences: Sequences of each text, chosen by the seed.
    """

    def __init__(self, sequences: AtLeastTwo = 1000) -> None:
        """Keep the settings."""
        self.sequences = sequences

    def work(self, subject: Subject) -> int:
        """Count the passes over sequences."""
        return 2 * min(self.sequences, len(subject.training)) + min(self.sequences, len(subject.held_out))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Score three times."""
        training, held_out = (
            part.shuffled(subject.seed).first(self.sequences) for part in (subject.training, subject.held_out)
        )
        # Training mode moves the running moments of batch normalisation: of a copy.
        noisy = copy.deepcopy(subject.model).train()
        with torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            seen, unseen = (_nats(subject.model, part, advance) for part in (training, held_out))
            regularised = _nats(noisy, training, advance)
        rates = {"training": seen, "held_out": unseen, "training_mode": regularised}
        estimates = {name: ratio(*parts) for name, parts in rates.items()}
        apart = ratio(regularised[0] - seen[0], seen[1])
        return {"sequences": self.sequences, **estimates, "gap": _difference(estimates), "regularisation_cost": apart}

    def lines(self, result: Result) -> Sequence[Line]:
        """One line a rate."""
        titles = {
            "training": "negative ELBO of training text, nats a token",
            "held_out": "negative ELBO of held-out text, nats a token",
            "gap": "generalisation gap, nats a token",
            "regularisation_cost": "cost of regularisation, nats a token",
        }
        return [line(title, result[key]) for key, title in titles.items()]


@torch.no_grad()
def _nats(model: TextModel, part: Selection, advance: Advance) -> Rates:
    nats, tokens = [], []
    for batch in part.batches(BATCH):
        run = model(batch)
        nats.append((sum_of_kl(run) - run.log_likelihood.mean(dim=0)).flatten())
        tokens.append(batch.lengths)
        advance(len(batch))
    return torch.cat(nats), torch.cat(tokens)


def _difference(estimates: dict[str, Estimate]) -> Estimate:
    seen, unseen = estimates["training"], estimates["held_out"]
    errors = [float(part["standard_error"] or 0.0) for part in (seen, unseen)]
    return {
        "value": float(unseen["value"] or 0.0) - float(seen["value"] or 0.0),
        "standard_error": sum(error**2 for error in errors) ** 0.5,
    }
