"""A trained latent space of texts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from latentia.data import Corpus, Tokenizer, sequential
from latentia.decoding import Ancestral, Beam, Greedy, Strategy, decode
from latentia.errors import InputError
from latentia.models import TextModel

ROWS_AT_A_TIME = 512


class TextSpace:
    """A model and its tokenizer, with the operations on the space between them.

    The code of a text is one tensor: a vector ``[D]``, or for a model of one code a token all that a text may need,
    ``[T, D]`` with ``T`` one more than ``max_tokens``.

    Args:
        model: A model in evaluation mode.
        tokenizer: Its tokenizer.
        max_tokens: Longest text that is read or written, in tokens.
    """

    def __init__(self, model: TextModel, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Keep the parts."""
        self.model, self.tokenizer, self.max_tokens = model, tokenizer, max_tokens
        self.steps = max_tokens + 1  # EOS is a token too

    def __repr__(self) -> str:
        """Name the sizes."""
        return f"TextSpace(latent_dim={self.model.latent_dim}, vocabulary_size={self.tokenizer.vocabulary_size})"

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "N *code"]:
        """Return the centre of each text's posterior: a Gaussian's mean, a direction on a sphere.

        Raises:
            InputError: For a text that is empty or longer than ``max_tokens``.
        """
        corpus = self._corpus(texts)
        rows = torch.arange(len(texts)).numpy()
        codes = torch.empty(len(texts), *self.model.code_shape(self.steps))
        with torch.no_grad():
            for batch in sequential(corpus, rows, ROWS_AT_A_TIME):
                codes[batch.index] = self.model.centres(batch, self.steps)
        return codes

    def decode(self, codes: Tensor | ArrayLike, strategy: Strategy | None = None) -> list[str]:
        """Return the text of each code; greedy unless another strategy is given.

        Raises:
            InputError: If the codes are not ``N`` finite tensors of the shape of a code.
        """
        chosen = strategy or Greedy()
        texts = []
        for chunk in self._codes(codes).split(ROWS_AT_A_TIME):
            ids = decode(self.model.decoder(chunk[None]), chosen, self.max_tokens)
            texts += [self.tokenizer.decode(sequence) for sequence in ids]
        return texts

    def sample(self, n: int = 10, seed: int = 0, strategy: Strategy | None = None) -> list[str]:
        """Return the texts of ``n`` codes drawn from the prior; tokens are drawn too unless a strategy is given.

        A model of one code a token draws from the prior that was fitted to its codes.

        Raises:
            InputError: For an ``n`` below 1.
        """
        if n < 1:
            raise InputError(f"n is {n}", "ask for at least one text")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            codes = self.model.sample(n, self.steps)
            return self.decode(codes, strategy or Ancestral())

    def reconstruct(self, texts: Sequence[str], strategy: Strategy | None = None) -> list[str]:
        """Return the decoded centre of each text's posterior; beam search unless another strategy is given."""
        return self.decode(self.encode(texts), strategy or Beam())

    def interpolate(self, a: str, b: str, steps: int = 7, strategy: Strategy | None = None) -> list[str]:
        r"""Return the texts on the way between the centres of two posteriors, both ends included.

        .. math:: z(t) = (1 - t) z_a + t z_b

        in Euclidean space; on a sphere the way is a great circle.

        Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 4.3.

        Raises:
            InputError: For fewer than two steps, or a model of one code a token, between whose codes there is no way.
        """
        if steps < 2:
            raise InputError(f"steps is {steps}", "ask for at least 2, the two ends")
        start, end = self.encode([a, b])
        path = self.model.path(start, end, torch.linspace(0, 1, steps))
        return self.decode(path, strategy or Beam())

    def _codes(self, codes: Tensor | ArrayLike) -> Float[Tensor, "N *code"]:
        """Take codes of any number type, as other libraries return them."""
        shape = self.model.code_shape(self.steps)
        try:
            tensor = torch.as_tensor(codes, dtype=torch.float32)
        except (TypeError, ValueError, RuntimeError):
            remedy = f"give an array of shape [N, {_shown(shape)}]"
            raise InputError("the codes are no table of numbers", remedy) from None
        if tensor.shape[1:] != shape or not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"the codes have shape {list(tensor.shape)}", f"give finite numbers of shape [N, {_shown(shape)}]"
            )
        return tensor

    def _corpus(self, texts: Sequence[str]) -> Corpus:
        """Tokenise texts, each of which must be usable."""
        if not texts:
            raise InputError("no text was given", "give at least one")
        if isinstance(texts, str):  # a sequence of texts to a type checker, and of characters to the model
            raise InputError(f"{texts!r} is one text", "give a list of texts")
        for number, text in enumerate(texts, start=1):
            if not isinstance(text, str):
                raise InputError(f"text {number} is {text!r}", "give strings")
            if not text.strip():
                raise InputError(f"text {number} is empty", "give a text with at least one token")
            tokens = len(self.tokenizer.encode(text))
            if tokens > self.max_tokens:
                raise InputError(f"text {number} has {tokens} tokens", f"shorten it to the model's {self.max_tokens}")
        return Corpus.from_texts(texts, self.tokenizer)


def _shown(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
