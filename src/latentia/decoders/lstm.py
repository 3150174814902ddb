"""A recurrent decoder that sees the latent code at every step."""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from latentia.decoders.base import Decoder
from latentia.distributions.token_sequence import Candidates
from latentia.errors import InputError
from latentia.nn import SequenceDropout, Vocabulary, run_one_step, run_over_shared_inputs
from latentia.records import Batch
from latentia.shapes import BOS, SILENT, UNK, PositiveInt


class LSTMDecoder(Decoder):
    r"""A one-layer LSTM over :math:`[e(x_{t-1}); z]`, started from ``z``.

    .. math::
        c_0 = W z, \quad h_0 = \tanh c_0, \quad h_t = \mathrm{LSTM}([e(x_{t-1}); z], h_{t-1}), \quad
        p(x_t \mid x_{<t}, z) = \mathrm{softmax}(V o_t + b)

    where :math:`o_t = h_t`, or a learned projection of :math:`[h_t; z]` to the size of an embedding when
    ``skip`` or ``tied`` asks for one. Of codes of one a step, the first is the ``z`` of the initial state and the
    ``t``-th that of step ``t``, so that ``x_t`` depends on ``z_1 .. z_t`` alone.

    Args:
        vocabulary_size: Tokens, ``V``.
        latent_dim: Features of a code, ``D``.
        dropout: Noise on decoder inputs and states while training.
        embedding_dim: Features of an embedded token.
        hidden_dim: Features of a state, ``H``.
        tied: Use the embedding table as the output weights (Press and Wolf, 2017).
        skip: Show ``z`` to the output projection too (Dieng et al., Avoiding Latent Variable Collapse, 2019).
        inputless: Read UNK instead of every token but BOS, not only while training.

    Source: Bowman et al., 2016, section 2, in the form of He et al., Lagging Inference Networks, 2019.
    """

    reads_steps = True

    def __init__(
        self,
        vocabulary_size: PositiveInt,
        latent_dim: PositiveInt,
        dropout: SequenceDropout,
        embedding_dim: PositiveInt = 256,
        hidden_dim: PositiveInt = 256,
        tied: bool = False,
        skip: bool = False,
        inputless: bool = False,
    ) -> None:
        """Build the layers."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.initial = nn.Linear(latent_dim, hidden_dim)
        self.recurrence = nn.LSTM(embedding_dim + latent_dim, hidden_dim, batch_first=True)
        self.dropout, self.skip, self.inputless = dropout, skip, inputless
        projects = tied or skip
        width = hidden_dim + latent_dim if skip else hidden_dim
        self.project = nn.Linear(width, embedding_dim) if projects else nn.Identity()
        self.vocabulary = Vocabulary(embedding_dim if projects else hidden_dim, vocabulary_size)
        if tied:
            self.vocabulary.weight = cast(nn.Parameter, self.embedding.weight)

    def score(self, latent: Float[Tensor, "S B *code"], batch: Batch) -> Float[Tensor, "S B T"]:
        """Log-probability of each token given those before it, in nats, 0 at padding."""
        samples, rows = latent.shape[:2]
        states = self._states(latent, self._embedded(batch))
        targets = batch.tokens.expand(samples, -1, -1)
        if batch.equal_length:
            return self.vocabulary.log_prob(states.flatten(0, 1), targets.flatten()).view(samples, rows, -1)
        real = batch.mask.expand(samples, -1, -1)
        scores = torch.zeros(real.shape, dtype=torch.float32, device=latent.device)
        return scores.masked_scatter(real, self.vocabulary.log_prob(states[real.flatten(0, 1)], targets[real]))

    def start(self, latent: Float[Tensor, "N *code"]) -> tuple[Tensor, ...]:
        """State before the first token: code, hidden state, cell, and of codes of one a step the steps taken."""
        taken = () if latent.ndim == 2 else (torch.zeros(len(latent), dtype=torch.long, device=latent.device),)
        cell = self.initial(_now(latent, *taken))
        return latent, cell.tanh(), cell, *taken

    def advance(
        self, state: tuple[Tensor, ...], tokens: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N V"], tuple[Tensor, ...]]:
        """Read one token a row; return the log-probabilities of the next, and the state.

        Raises:
            InputError: If codes of one a step have come to their end.
        """
        features, state = self._read(state, tokens)
        log_probabilities: Tensor = self.vocabulary(features)
        return log_probabilities, state

    def propose(
        self, state: tuple[Tensor, ...], tokens: Int[Tensor, " N"], count: int, *, normalised: bool
    ) -> tuple[Candidates, tuple[Tensor, ...]]:
        """Read one token a row; return the best of the next that may be written, and the state."""
        features, state = self._read(state, tokens)
        return self.vocabulary.most_probable(features, count, SILENT, normalised=normalised), state

    def _read(
        self, state: tuple[Tensor, ...], tokens: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N E"], tuple[Tensor, ...]]:
        """Read one token a row; return what the vocabulary reads, and the state."""
        latent, hidden, cell, *taken = state
        code = _now(latent, *taken)
        inputs = torch.cat([self.embedding(self._readable(tokens)), code], dim=-1)
        if self._measured():
            hidden, cell = run_one_step(self.recurrence, inputs, hidden, cell)
        else:
            before = hidden[None].contiguous(), cell[None].contiguous()
            hidden, cell = (part[0] for part in self.recurrence(inputs[:, None], before)[1])
        after = (latent, hidden, cell, *(steps + 1 for steps in taken))
        return self._output(hidden[:, None], code[:, None])[:, 0], after

    def _readable(self, tokens: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
        return tokens.where(tokens == BOS, UNK) if self.inputless else tokens

    def _embedded(self, batch: Batch) -> Float[Tensor, "B T E"]:
        """What the recurrence reads of the inputs."""
        inputs = self.dropout.drop_words(self._readable(batch.decoder_inputs))
        embedded = self.dropout.embed(self.embedding, inputs)
        return embedded * batch.visibility[:, :, None] if batch.visibility.numel() > 1 else embedded

    def _states(self, latent: Tensor, inputs: Float[Tensor, "B T I"]) -> Float[Tensor, "N T E"]:
        """What the vocabulary reads, for ``N = S * B`` rows."""
        samples, width = latent.shape[0], inputs.shape[1]
        codes, hidden, cell, *_ = self.start(latent.flatten(0, 1))
        each_step = codes[:, None].expand(-1, width, -1) if codes.ndim == 2 else codes[:, :width]
        if self._measured():
            outputs = run_over_shared_inputs(self.recurrence, inputs, latent, (hidden, cell))
        else:
            read = torch.cat([inputs.repeat(samples, 1, 1), each_step], dim=-1)
            outputs = self.dropout.run(self.recurrence, read, (hidden[None], cell[None]))
        return self.dropout.drop_outputs(self._output(self.dropout.drop_states(outputs), each_step))

    def _measured(self) -> bool:
        """Whether there are neither gradients nor noise, on a processor in full precision."""
        on_processor = self.embedding.weight.device.type == "cpu"
        return on_processor and not (self.training or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"))

    def _output(self, outputs: Float[Tensor, "N T H"], codes: Float[Tensor, "N T D"]) -> Float[Tensor, "N T E"]:
        """Project the outputs, with the codes beside them if they skip the recurrence."""
        projected: Tensor = self.project(torch.cat([outputs, codes], dim=-1) if self.skip else outputs)
        return projected


def _now(latent: Float[Tensor, "N *code"], *taken: Int[Tensor, " N"]) -> Float[Tensor, "N D"]:
    """Code of the next step: the only one, or the first after the steps taken."""
    if not taken:
        return latent
    if bool((taken[0] >= latent.shape[1]).any()):
        raise InputError("the codes have no step left", "give one step more than tokens are to be written")
    return latent.take_along_dim(taken[0][:, None, None], dim=1)[:, 0]
