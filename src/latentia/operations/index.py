"""Texts that are found again by their codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from latentia.distributions import HypersphericalUniform
from latentia.errors import DataError, InputError, reason_of
from latentia.functional.nearest import Nearest, nearest
from latentia.operations.encode import Encoded, encode
from latentia.operations.lines import Refused, not_written
from latentia.operations.sinks import set_aside, write
from latentia.operations.space import Space
from latentia.shapes import PositiveInt

EXACT_UP_TO = 1_000_000
QUERIES_OF_RECALL, NEIGHBOURS_OF_RECALL = 200, 10
AGAIN = "write it again, with Index.save or `latentia encode`"

CHECKED, TOLERANCE = 16, 1e-3
"""Texts of a file that are encoded again, and how far from their codes they may come."""


@dataclass(frozen=True)
class Neighbour:
    """A text near another.

    Attributes:
        text: The text.
        line: Its number among those of the index, counted from 1; the first of a text that is there more than once.
        distance: Between the codes, Euclidean; on a sphere the angle, in radians.
        count: How often the text is in the index.
    """

    text: str
    line: int
    distance: float
    count: int = 1

    def __str__(self) -> str:
        """Align the distances, and tell texts that are there more than once."""
        times = f"  ({self.count:,} times)" if self.count > 1 else ""
        return f"{self.distance:7.3f}  {self.text}{times}"


class Index:
    """Finds the texts whose codes are nearest, each text once, however often it is there.

    Search is exact for up to a million texts. Beyond it is approximate where ``faiss-cpu`` is installed
    (``pip install 'latentia[ann]'``), by a graph of near neighbours; ``recall`` says how much of the truth it finds.

    Args:
        space: Where the codes are.
        texts: The texts.
        codes: The code of each; of a text that is there more than once the first is searched.
        lines: The number of each where it came from, counted from 1.
        refused: Texts that have no code.
        unknown: Tokens of the texts that the model does not know.
        exact_up_to: More texts than this are searched approximately.

    Attributes:
        method: How it searches: ``exact``, or ``HNSW``.
        recall: Share of the ten true neighbours of 200 of its own texts that are found; 1 where search is exact.

    Raises:
        InputError: If the model has one code a token, there is no text, or as many codes are not given.

    Source: Malkov and Yashunin, Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
    Small World Graphs, 2020.
    """

    def __init__(
        self,
        space: Space,
        texts: Sequence[str],
        codes: Float[Tensor, "N D"],
        lines: Sequence[int] = (),
        refused: Iterable[Refused] = (),
        exact_up_to: PositiveInt = EXACT_UP_TO,
        unknown: int = 0,
    ) -> None:
        """Take texts and codes, and build the graph if there is to be one."""
        space.require_whole_codes()
        if len(texts) != len(codes) or not len(texts):
            raise InputError(
                f"there are {len(texts):,} texts and {len(codes):,} codes", "give as many of both, and some"
            )
        self.space, self.texts, self.codes = space, texts, codes
        self.refused, self.unknown = tuple(refused), unknown
        self.lines = lines or range(1, len(texts) + 1)
        self.on_sphere = isinstance(space.model.unit_prior(), HypersphericalUniform)
        self._counts, self._rows = Counter(texts), _firsts(texts)
        self._searched = codes if len(self._rows) == len(texts) else codes[self._rows]
        self.method, self.recall = "exact", 1.0
        if len(self._rows) > exact_up_to and (graph := _graph(self._searched.numpy())) is not None:
            self.method, self._graph = "HNSW", graph
            self.recall = self._recall()

    @classmethod
    def of(cls, space: Space, texts: Iterable[str], exact_up_to: PositiveInt = EXACT_UP_TO) -> Index:
        """Encode texts, any number of them, and index them; those that cannot be read are in ``refused``.

        Raises:
            InputError: If none can be read, or the model has one code a token.
        """
        space.require_whole_codes()
        refused: list[Refused] = []
        answers = set_aside(encode(space, texts), refused)
        rows = [(each.text, each.line, each.code.copy(), not_written(each.unknown, each.text)) for each in answers]
        if not rows:
            raise refused[0].as_error() if refused else InputError("no text was given", "give at least one")
        found, lines, codes, unknown = zip(*rows, strict=True)
        return cls(space, found, torch.from_numpy(np.stack(codes)), lines, refused, exact_up_to, sum(unknown))

    def search(self, queries: Sequence[str] | Tensor | NDArray[Any], n: PositiveInt = 10) -> list[list[Neighbour]]:
        """Return the ``n`` nearest different texts to each of some texts or codes, nearest first; all of fewer.

        Raises:
            InputError: If a text cannot be read, the codes have another shape, or n is below 1.
        """
        if n < 1:
            raise InputError(f"n is {n}", "ask for one neighbour at least")
        given = isinstance(queries, Tensor | np.ndarray)
        codes = self.space.supported(self.space.valid_codes(queries)) if given else self.space.encode(queries)  # type: ignore[arg-type]
        distances, rows = self._nearest(codes, n)
        shown = 2 * torch.asin((distances / 2).clamp(max=1)) if self.on_sphere else distances
        pairs = zip(self._rows[rows].tolist(), shown.tolist(), strict=True)
        return [[self._neighbour(*each) for each in zip(*pair, strict=True)] for pair in pairs]

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write texts and codes to a ``.parquet`` file, as :func:`encode` with ``--out`` does.

        Raises:
            InputError: If the file is there already, or has another suffix.
        """
        _require_parquet(path)
        rows = zip(self.lines, self.texts, self.codes.numpy(), strict=True)
        write((Encoded(line, text, 0, code) for line, text, code in rows), path, overwrite=overwrite)

    @classmethod
    def load(cls, space: Space, path: str | Path, exact_up_to: PositiveInt = EXACT_UP_TO) -> Index:
        """Read texts and codes from a ``.parquet`` file that :meth:`save` or :func:`encode` wrote.

        Some of its texts are encoded again: codes of another space would be found as readily and mean nothing. A graph
        is built anew.

        Raises:
            DataError: If the file is no such table, or its codes are those of another space.
            InputError: If it has another suffix.
        """
        _require_parquet(path)
        try:
            table = pq.read_table(path, columns=["line", "text", "code"], memory_map=True)
            texts, lines = table["text"].to_pylist(), table["line"].to_pylist()
            numbers = table["code"].combine_chunks().flatten().to_numpy()
            codes = torch.from_numpy(numbers.reshape(len(texts), space.model.latent_dim).astype(np.float32))
        except FileNotFoundError:
            raise DataError(f"{path} does not exist", "name one of Index.save or `latentia encode`") from None
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise DataError(f"{path} is no index of this space ({reason_of(error)})", AGAIN) from None
        _require_own(space, texts, codes, path)
        return cls(space, texts, codes, lines, exact_up_to=exact_up_to)

    def _neighbour(self, row: int, distance: float) -> Neighbour:
        return Neighbour(self.texts[row], self.lines[row], distance, self._counts[self.texts[row]])

    def _nearest(self, codes: Float[Tensor, "Q D"], n: int) -> Nearest:
        if self.method == "exact":
            return nearest(codes, self._searched, n)
        squares, rows = self._graph.search(codes.numpy(), min(n, len(self._rows)))
        return Nearest(torch.from_numpy(squares).clamp(min=0).sqrt(), torch.from_numpy(rows))

    def _recall(self) -> float:
        """Share of the true neighbours of texts of the index, themselves not counted, that are found."""
        chosen = np.random.default_rng(0).permutation(len(self._rows))[:QUERIES_OF_RECALL]
        queries = self._searched[torch.from_numpy(chosen)]
        found, true = (
            rows.tolist()
            for rows in (
                self._nearest(queries, NEIGHBOURS_OF_RECALL + 1).rows,
                nearest(queries, self._searched, NEIGHBOURS_OF_RECALL + 1).rows,
            )
        )
        pairs = list(zip(chosen.tolist(), found, true, strict=True))
        shared = sum(len((set(mine) & set(right)) - {own}) for own, mine, right in pairs)
        return shared / sum(len(set(right) - {own}) for own, _, right in pairs)


def _firsts(texts: Sequence[str]) -> Int[Tensor, " N"]:
    """Return the row of each different text, the first where there are more."""
    rows = dict(zip(reversed(texts), reversed(range(len(texts))), strict=True))
    return torch.tensor(sorted(rows.values()))


def _graph(codes: NDArray[Any]) -> Any:  # noqa: ANN401 - an optional library's
    """Build a graph of near neighbours, if the library is there."""
    try:
        import faiss
    except ImportError:
        return None
    graph = faiss.IndexHNSWFlat(codes.shape[1], 32)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = 200, 128
    graph.add(codes)
    return graph


def _require_parquet(path: str | Path) -> None:
    if Path(path).suffix != ".parquet":
        raise InputError(f"{path} is no .parquet file", "name one")


def _require_own(space: Space, texts: Sequence[str], codes: Float[Tensor, "N D"], path: str | Path) -> None:
    """Refuse codes that are not those of the space.

    Raises:
        DataError: If one of the first texts has another code.
    """
    again = space.encode(texts[:CHECKED]) if texts else codes
    if not torch.allclose(again, codes[:CHECKED], rtol=TOLERANCE, atol=TOLERANCE):
        raise DataError(f"the codes of {path} are not those of this space", AGAIN)
