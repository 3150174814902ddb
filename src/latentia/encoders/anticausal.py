"""A recurrent encoder of one code a step that reads from the end."""

from torch import nn

from latentia.distributions import StepwiseGaussian
from latentia.encoders.base import StepwiseEncoder
from latentia.functional.sequence import turned_around
from latentia.nn import GaussianHead, SequenceDropout
from latentia.records import Batch
from latentia.shapes import PositiveInt


class AnticausalLSTMEncoder(StepwiseEncoder):
    r"""A one-layer LSTM read right to left, each state mapped to the posterior of its step.

    .. math:: h_t = \mathrm{LSTM}(e(x_t), h_{t+1}), \quad q(z_t|x) = N(\mu(h_t), \sigma^2(h_t)),
        \quad q(z|x) = \prod_t q(z_t \mid x_t .. x_T)

    The decoder knows the past of a step, so that a code is worth its rate only for what it tells of the future. Each
    sequence is turned around within its length: padding stays at the right, out of reach of real tokens.

    Args:
        vocabulary_size: Tokens, ``V``.
        latent_dim: Channels of a step's code, ``D``.
        dropout: Dropout of words, embeddings and states while training.
        embedding_dim: Features of an embedded token.
        hidden_dim: Features of a state, ``H``.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.3.
    """

    def __init__(
        self,
        vocabulary_size: PositiveInt,
        latent_dim: PositiveInt,
        dropout: SequenceDropout,
        embedding_dim: PositiveInt = 256,
        hidden_dim: PositiveInt = 256,
    ) -> None:
        """Build the layers."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.recurrence = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.posterior, self.dropout = GaussianHead(hidden_dim, latent_dim), dropout

    def forward(self, batch: Batch) -> StepwiseGaussian:
        """Return the posterior of each sequence's steps."""
        order = turned_around(batch.lengths, batch.tokens.shape[1])
        tokens = self.dropout.drop_words(batch.tokens.gather(1, order))
        embedded = self.dropout.embed(self.embedding, tokens)
        start = embedded.new_zeros(1, len(batch), self.recurrence.hidden_size)
        states = self.dropout.run(self.recurrence, embedded, (start, start))
        states = states.gather(1, order[..., None].expand_as(states))
        each = self.posterior(self.dropout.drop_outputs(self.dropout.drop_states(states)).flatten(0, 1))
        mean, log_variance = (part.unflatten(0, tuple(order.shape)) for part in each.parameters)
        return StepwiseGaussian(mean, log_variance, batch.mask)
