"""How far samples are from real text in the features of a language model that is at hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from latentia.errors import InputError, reason_of
from latentia.evaluation.decoded import prior_samples
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.frontier import SCALE, frontier_area
from latentia.functional.resampling import bootstrap_error
from latentia.shapes import AtLeastTwo, NonNegativeInt, PositiveInt

SAVED = "name a folder that save_pretrained of the library transformers wrote, model and tokenizer"

VARIANCE, BATCH = 0.9, 16
"""Share of the features' variance that is kept; texts read at once."""


class Mauve(Measure):
    r"""Area under the divergence frontier of samples and held-out text, quantised in the features of a language model.

    Features are the last hidden state of the last token. Those of both texts are normalised, reduced to 90 % of their
    variance and put into cells by k-means; see :func:`~latentia.functional.frontier.frontier_area` for what is made of
    the two histograms, with ``c = 5``. 1 is as good as it can be; ``of_data`` is what one half of the held-out text
    scores against the other, with half as many texts and cells. Values depend on the extractor, the number of texts and
    the cells: compare under equal settings alone. Errors are a bootstrap of the texts, the cells taken as given.

    Args:
        extractor: Folder of a language model as ``transformers`` saves it, weights as safetensors; nothing is fetched.
        samples: Texts of each kind.
        cells: Of k-means; 0 takes a tenth of the texts of one kind.
        length: Tokens of the extractor that are read of each text.

    Source: Pillutla et al., MAUVE: Measuring the Gap Between Neural Text and Human Text, 2021, section 3.
    """

    def __init__(
        self, extractor: str = "", samples: AtLeastTwo = 1000, cells: NonNegativeInt = 0, length: PositiveInt = 256
    ) -> None:
        """Keep the settings."""
        self.extractor, self.samples, self.cells, self.length = extractor, samples, cells, length

    def unfit(self, subject: Subject) -> str:
        """Nothing can be read without a model to read it."""
        if not self.extractor:
            return "no feature extractor is named: --set Mauve.extractor=FOLDER of a language model"
        return "" if len(subject.held_out) >= 4 else "fewer than four sequences are held out"

    def work(self, subject: Subject) -> int:
        """Texts to read."""
        return 2 * min(self.samples, len(subject.held_out))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Read both kinds of text and compare.

        Raises:
            InputError: If the folder holds no such model, or ``transformers`` is not installed.
        """
        read = _Reader(self.extractor, self.length)
        chosen = subject.held_out.shuffled(subject.seed).first(self.samples)
        written = subject.texts(prior_samples(subject, len(chosen)))
        sampled, real = (read(list(texts), advance) for texts in (written, chosen.texts()))
        halves = torch.arange(len(real)) % 2 == 0
        return {
            "texts": len(chosen),
            "mauve": self._score(sampled, real, subject.seed),
            "of_data": self._score(real[halves], real[~halves], subject.seed),
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """The score, beside that of real text."""
        name, value, error = line(f"MAUVE of {result['texts']:,} samples", result["mauve"])
        return [(name, value, f"{error}; one half of real text and the other {result['of_data']['value']:.3f}")]

    def _score(self, ours: Float[Tensor, "N F"], theirs: Float[Tensor, "M F"], seed: int) -> Result:
        count = min(self.cells or max(2, len(theirs) // 10), len(ours) + len(theirs))
        cells = _cells(torch.cat([ours, theirs]).numpy(), count, seed)
        mine, other = cells[: len(ours)], cells[len(ours) :]

        def area(mine: Tensor, other: Tensor) -> float:
            counts = [torch.bincount(part, minlength=count).float() for part in (mine, other)]
            return frontier_area(counts[0], counts[1])

        return {
            "value": area(mine, other),
            "standard_error": bootstrap_error(area, (mine, other)),
            "cells": count,
            "scale": SCALE,
        }


class _Reader:
    """Texts to features."""

    def __init__(self, folder: str, length: int) -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise InputError("features need transformers", "install it with: pip install 'latentia[hf]'") from None
        if not Path(folder).is_dir():
            raise InputError(f"{folder} is no folder", SAVED)
        safe = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
            self.model = AutoModel.from_pretrained(folder, use_safetensors=True, **safe).eval()
        except (OSError, ValueError) as error:
            raise InputError(f"{folder} holds no language model ({reason_of(error)})", SAVED) from None
        self.length = length

    def __call__(self, texts: Sequence[str], advance: Advance) -> Float[Tensor, "N F"]:
        """Read the texts in batches."""
        with torch.no_grad():
            return torch.cat(list(self._batches(texts, advance)))

    def _batches(self, texts: Sequence[str], advance: Advance) -> Iterator[Float[Tensor, "B F"]]:
        for start in range(0, len(texts), BATCH):
            ids = [self._ids(text) for text in texts[start : start + BATCH]]
            tokens = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
            lengths = torch.tensor([len(each) for each in ids])
            mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
            states = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
            yield states[torch.arange(len(ids)), lengths - 1].float()
            advance(len(ids))

    def _ids(self, text: str) -> Int[Tensor, " T"]:
        """Tokens of a text; that of an empty one is the first of the vocabulary."""
        return torch.tensor(self.tokenizer(text)["input_ids"][: self.length] or [0])


def _cells(features: NDArray[np.float32], count: int, seed: int) -> Int[Tensor, " N"]:
    """Cell of each text."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    if not np.ptp(features, axis=0).any():
        return torch.zeros(len(features), dtype=torch.long)
    reduced = PCA(n_components=VARIANCE, svd_solver="full").fit_transform(normalize(features))
    with warnings.catch_warnings():
        # Texts that are the same leave cells empty, which changes no area.
        warnings.simplefilter("ignore")
        cells = KMeans(count, n_init=5, random_state=seed).fit_predict(normalize(reduced))
    return torch.from_numpy(cells).long()
