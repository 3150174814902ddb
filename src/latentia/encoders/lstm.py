"""A recurrent encoder."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from latentia.distributions import CodeDistribution
from latentia.encoders.base import Encoder
from latentia.nn import Noise, Pooling, PosteriorHead, SequenceDropout
from latentia.nn.recurrence import gates_of_inputs, run_over_tokens
from latentia.nn.threads import on_threads
from latentia.records import Batch
from latentia.shapes import PositiveInt

SEQUENCES_AT_A_TIME, TOKENS_AT_A_TIME = 512, 2**14
"""Sequences, and their number times the longest, whose states a thread holds where there are no gradients."""


class LSTMEncoder(Encoder):
    r"""A one-layer LSTM read left to right, pooled to one vector, mapped to a posterior.

    .. math:: h_t = \mathrm{LSTM}(e(x_t), h_{t-1}), \quad q(z|x) = \mathrm{head}(\mathrm{pool}(h_1 .. h_T))

    The network is causal, so that padding on the right cannot reach the states of real tokens, and the
    fused kernel runs without packing.

    Args:
        vocabulary_size: Tokens, ``V``.
        embedding_dim: Features of an embedded token.
        hidden_dim: Features of a state, ``H``.
        pooling: From the states to one vector.
        posterior: From that vector to the posterior.
        dropout: Dropout of words, embeddings and states while training; no published model drops words here.
        noise: What else is done to the tokens before they are read, while training.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 2.
    """

    def __init__(
        self,
        vocabulary_size: PositiveInt,
        pooling: Pooling,
        posterior: PosteriorHead,
        dropout: SequenceDropout,
        noise: Noise,
        embedding_dim: PositiveInt = 256,
        hidden_dim: PositiveInt = 256,
    ) -> None:
        """Build the layers."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.recurrence = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.pooling, self.posterior, self.dropout, self.noise = pooling, posterior, dropout, noise

    @property
    def any_lengths(self) -> bool:
        """Whether there are neither gradients nor noise, on a processor in full precision."""
        on_processor = self.embedding.weight.device.type == "cpu"
        return on_processor and not (self.training or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"))

    def forward(self, batch: Batch) -> CodeDistribution:
        """Return the posterior of each sequence."""
        posterior: CodeDistribution = self.posterior(self._read(batch) if self.any_lengths else self._trained(batch))
        return posterior

    def _trained(self, batch: Batch) -> Float[Tensor, "B H"]:
        """Features of each sequence, with gradients and what is dropped while training."""
        batch = self.noise(batch)
        embedded = self.dropout.embed(self.embedding, self.dropout.drop_words(batch.tokens))
        zero = embedded.new_zeros(1, len(batch), self.recurrence.hidden_size)
        states = self.dropout.run(self.recurrence, embedded, (zero, zero))
        return self.dropout.drop_outputs(self.pooling(self.dropout.drop_states(states), batch))

    def _read(self, batch: Batch) -> Float[Tensor, "B H"]:
        """The same features without gradients: the input weights meet each different token once."""
        different, places = batch.tokens.unique(return_inverse=True)
        table = gates_of_inputs(self.recurrence, self.embedding(different))
        features = table.new_empty(len(batch), self.recurrence.hidden_size)

        def read(rows: Tensor) -> None:
            lengths = batch.lengths[rows]
            longest = int(lengths[0])
            tokens, equal = places[rows, :longest], bool(lengths[-1] == longest)
            states = run_over_tokens(self.recurrence, table, tokens, lengths)
            count, nothing = int(lengths.sum()), batch.labels[:0]
            features[rows] = self.pooling(states, Batch(tokens, lengths, equal, count, batch.index[rows], nothing))

        on_threads(read, list(_blocks(batch.lengths)))
        return features


def _blocks(lengths: Int[Tensor, " B"]) -> Iterator[Int[Tensor, " rows"]]:
    """Rows that are read together, longest first."""
    order = lengths.argsort(descending=True, stable=True)
    while len(order):
        size = max(1, min(SEQUENCES_AT_A_TIME, TOKENS_AT_A_TIME // int(lengths[order[0]])))
        yield order[:size]
        order = order[size:]
