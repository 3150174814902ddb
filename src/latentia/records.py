"""What goes into a model and what one pass leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributions import Distribution

from latentia.shapes import BOS, EOS, PAD


@dataclass(frozen=True)
class Batch:
    """A group of sequences, each closed by EOS and padded on the right.

    Attributes:
        tokens: What the decoder predicts, ``x_1 .. x_T`` with ``x_T = EOS``, then PAD.
        lengths: Predicted tokens of each sequence, EOS counted.
        equal_length: True when no row is padded.
        token_count: Sum of the lengths, known without reading them back from a device.
        index: Row of each sequence in its corpus.
        labels: Class of each sequence, empty when the corpus has none.
        visibility: How much the decoder sees of each of its inputs, from 0 to 1; one number tells it of all.
    """

    tokens: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]
    equal_length: bool
    token_count: int
    index: Int[Tensor, " B"]
    labels: Int[Tensor, " labels"]
    visibility: Float[Tensor, "#B #T"] = field(default_factory=lambda: torch.ones(1, 1))

    @classmethod
    def collate(cls, sequences: Sequence[Sequence[int]]) -> Batch:
        """Close each sequence with EOS and pad to the longest.

        >>> Batch.collate([[5, 6], [7]]).tokens
        tensor([[5, 6, 3],
                [7, 3, 0]])
        """
        lengths = [len(sequence) + 1 for sequence in sequences]
        width = max(lengths)
        rows = [
            [*sequence, EOS] + [PAD] * (width - length) for sequence, length in zip(sequences, lengths, strict=True)
        ]
        return cls(
            tokens=torch.tensor(rows),
            lengths=torch.tensor(lengths),
            equal_length=min(lengths) == width,
            token_count=sum(lengths),
            index=torch.arange(len(rows)),
            labels=torch.empty(0, dtype=torch.long),
        )

    def __len__(self) -> int:
        """Count the sequences."""
        return self.tokens.shape[0]

    @property
    def mask(self) -> Bool[Tensor, "B T"]:
        """True where a token is predicted, False at padding."""
        return torch.arange(self.tokens.shape[1], device=self.tokens.device) < self.lengths[:, None]

    @property
    def decoder_inputs(self) -> Int[Tensor, "B T"]:
        """What the decoder reads: BOS and then every token but the last."""
        return torch.nn.functional.pad(self.tokens[:, :-1], (1, 0), value=BOS)

    def rows(self, keep: Bool[Tensor, " B"]) -> Batch:
        """Return the sequences where ``keep`` holds, without columns that are all padding."""
        lengths = self.lengths[keep]
        width = int(lengths.max()) if len(lengths) else 0
        labels = self.labels[keep] if len(self.labels) else self.labels
        return replace(
            self,
            tokens=self.tokens[keep, :width],
            lengths=lengths,
            token_count=int(lengths.sum()),
            index=self.index[keep],
            labels=labels,
            visibility=self.visibility if self.visibility.numel() == 1 else self.visibility[keep, :width],
        )

    def to(self, device: torch.device | str) -> Batch:
        """Copy the tensors to a device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True) for name in ("tokens", "lengths", "index", "labels")
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class Latent:
    """One latent variable of a pass: draws from its posterior, the posterior and the prior.

    A draw is one code a sequence, ``[D]``, or one a step, ``[T, D]``.
    """

    name: str
    sample: Float[Tensor, "S B *code"]
    posterior: Distribution
    prior: Distribution


@dataclass(frozen=True)
class ModelRun:
    """One pass.

    Attributes:
        batch: What was read.
        latents: Its latent variables.
        log_likelihood: ``log p(x|z)``, in nats a sequence.
        auxiliary: Computes the costs that are trained beside the objective, by name, in nats.
        apart: Names of those that train nothing but the auxiliary network itself.
    """

    batch: Batch
    latents: tuple[Latent, ...]
    log_likelihood: Float[Tensor, "S B"]
    auxiliary: Callable[[], Mapping[str, Tensor]] = dict
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Terms:
    """What an objective makes of a pass, in nats a sequence.

    Attributes:
        loss: The cost that is trained.
        bound: The reported negative ELBO, every term at weight 1.
        parts: The unweighted terms by name; ``reconstruction`` and ``kl`` are always among them.
        weights: The weight that each term had in ``loss``.
        apart: What is descended with the loss and trains an auxiliary network alone: it says nothing of the model.
    """

    loss: Float[Tensor, "S B"]
    bound: Float[Tensor, "S B"]
    parts: Mapping[str, Float[Tensor, "..."]]
    weights: Mapping[str, float]
    apart: Float[Tensor, "..."] = field(default_factory=lambda: torch.zeros(()))
