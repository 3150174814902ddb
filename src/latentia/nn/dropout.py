"""The noise that a decoder sees while it is trained."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from latentia.functional.sequence import drop_words
from latentia.shapes import Share, ShareBelowOne


class SequenceDropout(nn.Module):
    """Word dropout on the tokens read, and dropout on their embeddings and on the recurrent states.

    Word dropout replaces a token by UNK before the embedding; embedding dropout zeroes features of the embedded token;
    type dropout zeroes all of them wherever the batch has that token. They are different things: a zero says that
    nothing is known, UNK says that a rare word was here, which is false and may be read as true. Nothing is dropped in
    evaluation mode.

    Args:
        words: Share of decoder inputs replaced by UNK; BOS never is. At 1 the decoder is inputless.
        embeddings: Share of embedding features set to zero.
        states: Share of recurrent output features set to zero.
        per_sequence: Draw one mask a sequence and keep it over time (Gal and Ghahramani, 2016), not one a token.
        recurrent: Share of the weights from state to state set to zero, the same for a whole batch.
        outputs: Share of features set to zero of what the last layer reads: the vocabulary, or a posterior's head.
        types: Share of the vocabulary whose embeddings are set to zero, the same for a whole batch.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 3.1 (words); Merity, Keskar and
    Socher, Regularizing and Optimizing LSTM Language Models, 2018, sections 2 (recurrent) and 4.3 (types).
    """

    def __init__(
        self,
        words: Share = 0.0,
        embeddings: ShareBelowOne = 0.0,
        states: ShareBelowOne = 0.0,
        per_sequence: bool = False,
        recurrent: ShareBelowOne = 0.0,
        outputs: ShareBelowOne = 0.0,
        types: ShareBelowOne = 0.0,
    ) -> None:
        """Take the rates."""
        super().__init__()
        self.words, self.embeddings, self.states, self.per_sequence = words, embeddings, states, per_sequence
        self.recurrent, self.outputs, self.types = recurrent, outputs, types

    def drop_words(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """Apply word dropout while training."""
        return drop_words(tokens, self.words) if self.training and self.words > 0 else tokens

    def embed(self, table: nn.Embedding, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """Look tokens up; while training, with type and embedding dropout."""
        embedded: Tensor = table(tokens)
        if self.training and self.types > 0:
            keep = embedded.new_empty(table.num_embeddings).bernoulli_(1 - self.types).div_(1 - self.types)
            embedded = embedded * keep[tokens][..., None]
        return self._drop(embedded, self.embeddings)

    def drop_states(self, states: Float[Tensor, "B T H"]) -> Float[Tensor, "B T H"]:
        """Apply dropout to recurrent outputs while training."""
        return self._drop(states, self.states)

    def drop_outputs(self, features: Float[Tensor, "B *steps H"]) -> Float[Tensor, "B *steps H"]:
        """Apply dropout while training to what the last layer reads."""
        return self._drop(features, self.outputs)

    def run(
        self, recurrence: nn.LSTM, inputs: Float[Tensor, "N T I"], state: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "N T H"]:
        """Run a one-layer LSTM from a state ``[1, N, H]``; while training, with recurrent weights dropped."""
        if not self.training or self.recurrent == 0:
            with _differentiable(self.training):
                states: Tensor = recurrence(inputs, state)[0]
            return states
        of_inputs, of_states, *biases = recurrence.all_weights[0]
        weights = [of_inputs, dropped_weights(of_states, self.recurrent), *biases]
        dropped: Tensor = torch.lstm(inputs, state, weights, True, 1, 0.0, True, False, True)[0]
        return dropped

    def _drop(self, values: Tensor, rate: float) -> Tensor:
        if not self.training or rate == 0:
            return values
        if not self.per_sequence or values.ndim == 2:
            return nn.functional.dropout(values, rate)
        keep = torch.empty_like(values[:, :1]).bernoulli_(1 - rate).div_(1 - rate)
        return values * keep


def dropped_weights(weights: Float[Tensor, "*shape"], rate: float) -> Float[Tensor, "*shape"]:
    """Set a share of the weights to zero and scale the others so that each keeps its mean.

    Sixteen random bits a weight decide, four of them from one draw: a processor draws one after another, and takes
    longer for the millions of a matrix than to multiply by it. The rate is met to 1/65,536.
    """
    draws = torch.empty(-(-weights.numel() // 4), dtype=torch.long, device=weights.device).random_(-(2**63), None)
    dropped = min(round(rate * 2**16), 2**16 - 1)
    keep = draws.view(torch.int16)[: weights.numel()].view_as(weights) >= dropped - 2**15
    return weights * keep.to(weights.dtype).mul_(2**16 / (2**16 - dropped))


def _differentiable(training: bool) -> AbstractContextManager[None]:
    """Where gradients are wanted of a model that is not training, leave cuDNN, whose recurrence has none there."""
    if training or not torch.is_grad_enabled():
        return nullcontext()
    kernels: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=False)
    return kernels
