"""The distribution over token sequences that an autoregressive network defines, given a latent code."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution, constraints

from latentia.records import Batch
from latentia.shapes import BOS, SILENT

DecodingState = tuple[Tensor, ...]
Candidates = tuple[Float[Tensor, "N count"], Int[Tensor, "N count"]]
"""Scores of tokens, and the tokens, the best first."""


@runtime_checkable
class AutoregressiveNetwork(Protocol):
    """What a network must do to define a :class:`TokenSequence`."""

    def score(self, latent: Float[Tensor, "S B *code"], batch: Batch) -> Float[Tensor, "S B T"]:
        """Log-probability of each token given the ones before it, 0 at padding."""
        ...

    def start(self, latent: Float[Tensor, "N *code"]) -> DecodingState:
        """State before the first token; the first axis of every tensor is the row."""
        ...

    def advance(self, state: DecodingState, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], DecodingState]:
        """Log-probabilities of the next token after reading one more, and the state after it."""
        ...


@runtime_checkable
class ProposingNetwork(Protocol):
    """A network that finds the best tokens faster than from the log-probabilities of all."""

    def propose(
        self, state: DecodingState, tokens: Int[Tensor, " N"], count: int, *, normalised: bool
    ) -> tuple[Candidates, DecodingState]:
        """The best tokens after reading one more, PAD and BOS never among them, and the state after it."""
        ...


class TokenSequence(Distribution):
    r"""Sequences closed by EOS, :math:`p(x|z) = \prod_{t=1}^{T} p(x_t \mid x_{<t}, z)`.

    Nothing is computed until a probability is asked for: scoring reads a whole batch with teacher
    forcing, decoding advances one token at a time with a cached state.

    Args:
        network: Holds the weights.
        latent: Codes, shape ``[S, B, D]``, or ``[S, B, T, D]`` for one a step.
    """

    arg_constraints = {}  # noqa: RUF012
    support = constraints.dependent(is_discrete=True, event_dim=0)

    def __init__(self, network: AutoregressiveNetwork, latent: Float[Tensor, "S B *code"]) -> None:
        """Keep the network and the codes."""
        self.network = network
        self.latent = latent
        super().__init__(latent.shape[:2], torch.Size(), validate_args=False)

    def log_prob(  # type: ignore[override] # a batch of ragged sequences is no tensor
        self, value: Batch
    ) -> Float[Tensor, "S B"]:
        """Log-probability of each sequence, EOS included, in nats."""
        return self.token_log_prob(value).sum(dim=-1)

    def token_log_prob(self, value: Batch) -> Float[Tensor, "S B T"]:
        """Log-probability of each token in nats, 0 at padding."""
        return self.network.score(self.latent, value)

    def opened(self) -> tuple[DecodingState, Int[Tensor, " N"]]:
        """State before the first token and the token to read, BOS, for ``N = S * B`` rows."""
        codes = self.latent.flatten(0, 1)
        return self.network.start(codes), torch.full((len(codes),), BOS, device=codes.device)

    def start(self) -> tuple[Float[Tensor, "N V"], DecodingState]:
        """Log-probabilities of the first token and the state after BOS, for ``N = S * B`` rows."""
        return self.step(*self.opened())

    def step(self, state: DecodingState, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], DecodingState]:
        """Read one more token a row."""
        return self.network.advance(state, tokens)

    def propose(
        self, state: DecodingState, tokens: Int[Tensor, " N"], count: int, *, normalised: bool = True
    ) -> tuple[Candidates, DecodingState]:
        """Read one more token a row; return the ``count`` best of the next that may be written, and the state.

        They come with their log-probabilities, renormalised over what may be written; or, for speed, with scores that
        have the same order.
        """
        if isinstance(self.network, ProposingNetwork):
            return self.network.propose(state, tokens, count, normalised=normalised)
        log_probability, state = self.step(state, tokens)
        return best_of(speakable(log_probability), count), state


def speakable(log_probability: Float[Tensor, "N V"]) -> Float[Tensor, "N V"]:
    """PAD and BOS are no tokens of the language; their small probability goes to the others."""
    silent = torch.tensor(SILENT, device=log_probability.device)
    return torch.log_softmax(log_probability.index_fill(1, silent, -torch.inf), dim=-1)


def best_of(log_probability: Float[Tensor, "N V"], count: int) -> Candidates:
    """Return the best tokens of each row, as many as there are at most."""
    values, tokens = log_probability.topk(min(count, log_probability.shape[1]), dim=1)
    return values, tokens
