"""A recurrent encoder."""

from torch import nn

from latentia.distributions import CodeDistribution
from latentia.encoders.base import Encoder
from latentia.nn import Noise, Pooling, PosteriorHead, SequenceDropout
from latentia.records import Batch
from latentia.shapes import PositiveInt


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

    def forward(self, batch: Batch) -> CodeDistribution:
        """Return the posterior of each sequence."""
        batch = self.noise(batch)
        embedded = self.embedding(self.dropout.drop_words(batch.tokens))
        zero = embedded.new_zeros(1, len(batch), self.recurrence.hidden_size)
        states = self.dropout.run(self.recurrence, self.dropout.drop_embeddings(embedded), (zero, zero))
        posterior: CodeDistribution = self.posterior(self.pooling(self.dropout.drop_states(states), batch))
        return posterior
