"""A model and its tokenizer: from texts to codes and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from latentia.data import Corpus, Selection, Tokenizer
from latentia.decoding import Beam, Greedy, Strategy, decode
from latentia.decoding.base import NO_STREAMS
from latentia.distributions import CodeDistribution, HypersphericalUniform, StepwiseGaussian
from latentia.errors import InputError
from latentia.evaluation.aggregate import aggregate_of
from latentia.functional.streams import integers
from latentia.models import TextModel
from latentia.operations.lines import (
    LINES_AT_A_TIME,
    Answer,
    Reader,
    Refused,
    Remarked,
    T,
    line_by_line,
    remarks_on_unknown,
    unknown_in,
)

ROWS_AT_A_TIME = 512
"""Texts that are encoded together."""

ATLAS_SIZE = 10_000
"""Training texts that stand for all of them."""

KEPT = 8
"""What operations have worked out that is kept, the longest unused being forgotten first."""

FROM_RUN = "take the run itself, a folder that `latentia train` wrote; what is exported from it holds no texts"

R = TypeVar("R")

SEARCHED = Beam()
"""How an operation writes that looks for the best text, unless it is told otherwise."""


def _no_training() -> NoReturn:
    raise InputError("this space does not hold its training texts", FROM_RUN)


@dataclass(frozen=True)
class Atlas:
    """Training texts and their posteriors, in the same order: where the aggregate posterior has its mass."""

    texts: Selection
    posteriors: CodeDistribution


@dataclass(frozen=True)
class Record:
    """What is known of a model beside its weights, as plain values but for what is found out when it is asked for.

    Attributes:
        recipe: The settings that it is built from; none if it was built by hand.
        evaluation: What was measured of it.
        datasets: Names of public data sets that it was trained on.
        others: What another version has noted in its folder.
        origin: Returns which recipe it was made by and what was changed in it; an empty text where nobody knows.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    origin: Callable[[], str] = str


UNRECORDED = Record()


class Space:
    """A model and its tokenizer.

    The code of a text is one tensor: a vector ``[D]``, or for a model of one code a token all that a text may need,
    ``[T, D]`` with ``T`` one more than ``max_tokens``.

    Args:
        model: A model in evaluation mode.
        tokenizer: Its tokenizer.
        max_tokens: Longest text that is read or written, in tokens.
        training: Returns what the model was trained on, for operations that look there.
        validation: Returns what its weights were chosen by.
        record: What else is known of the model, for the folders that it is saved to.
    """

    def __init__(
        self,
        model: TextModel,
        tokenizer: Tokenizer,
        max_tokens: int,
        training: Callable[[], Selection] = _no_training,
        record: Record = UNRECORDED,
        validation: Callable[[], Selection] = _no_training,
    ) -> None:
        """Keep the parts."""
        self.model, self.tokenizer, self.max_tokens = model, tokenizer, max_tokens
        self.steps = max_tokens + 1  # EOS is a token too
        self._training, self._validation, self.record = training, validation, record
        self._kept: dict[tuple[object, ...], Any] = {}

    def __repr__(self) -> str:
        """Name the sizes."""
        kind = type(self).__name__
        return f"{kind}(latent_dim={self.model.latent_dim}, vocabulary_size={self.tokenizer.vocabulary_size})"

    @property
    def knows_training(self) -> bool:
        """Whether what the model was trained on is at hand."""
        return self._training is not _no_training

    @cached_property
    def training(self) -> Selection:
        """What the model was trained on.

        Raises:
            InputError: If the space was not opened from a run.
        """
        return self._training()

    def seen(self) -> Iterator[list[int]]:
        """Yield the token ids of the texts that the model was trained on, and of those that its weights were chosen by.

        Raises:
            InputError: If the space was not opened from a run.
        """
        yield from self.training.tokens()
        if self._validation is not _no_training:
            yield from self._validation().tokens()

    @cached_property
    def atlas(self) -> Atlas:
        """Up to 10,000 training texts, drawn at random once and for all, and their posteriors.

        Raises:
            InputError: If the space was not opened from a run, or has one code a token.
        """
        self.require_whole_codes()
        chosen = self.training.shuffled(0).first(ATLAS_SIZE)
        batches = list(chosen.batches(ROWS_AT_A_TIME))
        rows = torch.cat([batch.index for batch in batches]).numpy()
        return Atlas(Selection(chosen.corpus, rows), aggregate_of(self.model, batches))

    def kept(self, key: tuple[object, ...], work_out: Callable[[], R]) -> R:
        """Return what an operation works out of the training texts, which do not change, the last few times once.

        Args:
            key: Name of what it is, and the settings that it follows from.
            work_out: Returns it.
        """
        found: R = self._kept.pop(key) if key in self._kept else work_out()
        self._kept[key] = found
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def require_whole_codes(self) -> None:
        """Refuse what compares codes of different texts to a model of one code a token.

        Raises:
            InputError: If the model is one.
        """
        if not self.model.whole_codes:
            raise InputError("this model has one code a token, which compare with none", "open one of a code a text")

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "N *code"]:
        """Return the centre of each text's posterior: a Gaussian's mean, a direction on a sphere.

        Raises:
            InputError: For a text that cannot be read, or no text at all.
        """
        codes = list(self.answered(texts, lambda chosen, _: self.centres(chosen)))
        if refused := [each for each in codes if isinstance(each, Refused)]:
            raise refused[0].as_error()
        if not codes:
            raise InputError("no text was given", "give at least one")
        return torch.stack([each for each in codes if isinstance(each, Tensor)])

    def centres(self, chosen: Selection) -> Float[Tensor, "N *code"]:
        """Return the centre of the posterior of each row, in their order."""
        with torch.no_grad():
            if self.model.any_lengths and len(chosen) <= LINES_AT_A_TIME:
                return self.model.centres(chosen.whole(), self.steps)
        return self.of_each(chosen, lambda batch: self.model.centres(batch, self.steps))

    @torch.no_grad()
    def of_each(
        self, chosen: Selection, of_batch: Callable[..., Tensor], rows: int = ROWS_AT_A_TIME, *beside: Tensor
    ) -> Float[Tensor, "N *numbers"]:
        """Return what is worked out of each row, in their order, by batches of at most so many rows.

        Each batch comes with its rows of the tensors that are given beside.
        """
        place = np.empty(len(chosen.corpus), dtype=np.int64)
        place[chosen.rows] = np.arange(len(chosen))
        found = torch.empty(0)
        for batch in chosen.batches(rows):
            own = torch.from_numpy(place[batch.index.numpy()])
            numbers = of_batch(batch, *(each[own] for each in beside))
            found = found if len(found) else numbers.new_empty(len(chosen), *numbers.shape[1:])
            found[own] = numbers
        return found

    def supported(self, codes: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Return the nearest codes that the prior can draw: themselves, or on a sphere their directions.

        Raises:
            InputError: If the model has one code a token.
        """
        self.require_whole_codes()
        on_sphere = isinstance(self.model.unit_prior(), HypersphericalUniform)
        return torch.nn.functional.normalize(codes, dim=-1) if on_sphere else codes

    def decode(self, codes: Tensor | ArrayLike, strategy: Strategy | None = None) -> list[str]:
        """Return the text of each code; greedy unless another strategy is given.

        Raises:
            InputError: If the codes are not ``N`` finite tensors of the shape of a code.
        """
        strategy = strategy or Greedy()
        chunks = self.valid_codes(codes).split(strategy.codes_at_a_time)
        return [text for chunk in chunks for text in self.write(chunk, strategy)]

    def write(
        self, codes: Float[Tensor, "N *code"], strategy: Strategy, streams: Int[Tensor, " N"] = NO_STREAMS
    ) -> list[str]:
        """Return the text of each of a few codes; what is drawn comes from its stream, or the global generator."""
        ids = decode(self.model.decoder(codes[None]), strategy, self.max_tokens, streams)
        return [self.tokenizer.decode(sequence) for sequence in ids]

    def written(
        self, codes: Float[Tensor, "N *code"], strategy: Strategy, seed: int = 0, lines: Sequence[int] = ()
    ) -> Iterator[str]:
        """Yield the text of each code, a chunk at a time; what is drawn for it follows the seed and its line alone.

        Without lines codes are numbered from 0.
        """
        streams, size = streams_of(seed, lines or range(len(codes))), strategy.codes_at_a_time
        for chunk, own in zip(codes.split(size), streams.split(size), strict=True):
            yield from self.write(chunk, strategy, own)

    def remarks_on(self, texts: Sequence[str]) -> list[str]:
        """Say how many tokens of readable texts the model does not know, if there are any."""
        return remarks_on_unknown(self.unknown_in(texts))

    def unknown_in(self, texts: Sequence[str]) -> int:
        """Count the tokens of readable texts that the model does not know."""
        return unknown_in(Selection.all_of(Corpus.from_texts(texts, self.tokenizer)))

    def answered(self, texts: Iterable[str], answer: Answer[T], *, in_part: bool = False) -> Remarked[T | Refused]:
        """Answer or refuse each text, in order.

        Args:
            texts: Any number of them.
            answer: Answers those that can be read.
            in_part: Whether texts are only parts of what is read, so that it is for the answer to refuse what the model
                cannot read.

        Raises:
            InputError: If one text was given in place of many.
        """
        return line_by_line(texts, Reader(self.tokenizer, self.max_tokens, in_part), answer)

    def valid_codes(self, codes: Tensor | ArrayLike) -> Float[Tensor, "N *code"]:
        """Take codes of any number type, as other libraries return them.

        Raises:
            InputError: If they are not ``N`` finite tensors of the shape of a code.
        """
        shape = self.model.code_shape(self.steps)
        shown = ", ".join(map(str, shape))
        try:
            tensor = torch.as_tensor(codes, dtype=torch.float32)
        except (TypeError, ValueError, RuntimeError):
            raise InputError("the codes are no table of numbers", f"give an array of shape [N, {shown}]") from None
        if tensor.shape[1:] != shape or not bool(torch.isfinite(tensor).all()):
            raise InputError(f"the codes have shape {list(tensor.shape)}", f"give finite numbers of shape [N, {shown}]")
        return tensor


def streams_of(seed: int, lines: Sequence[int]) -> Int[Tensor, " N"]:
    """Return the stream of random numbers of each line under a seed."""
    root = np.random.SeedSequence(seed).generate_state(1, np.uint64).view(np.int64)
    return integers(torch.from_numpy(root), torch.tensor(lines))


def draws_of(
    posterior: CodeDistribution | StepwiseGaussian, streams: Int[Tensor, " N"], samples: int
) -> Float[Tensor, "S N *code"]:
    """Draw codes of each row, which depend on the row and its stream alone."""
    drawn = []
    with torch.random.fork_rng():
        for row, stream in enumerate(streams.tolist()):
            torch.default_generator.manual_seed(stream)  # a hundred times as fast as to seed all devices
            drawn.append(posterior.at(slice(row, row + 1)).sample(torch.Size([samples])))
    return torch.cat(drawn, dim=1)


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Let draws follow a key, and leave the generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
        yield
