"""Codes of files, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentia.errors import DataError, InputError, reason_of


def vectors(path: Path) -> Iterator[Any]:
    """Read the vectors of a ``.npy`` file, or those of the column ``code`` of a ``.parquet`` file, row by row.

    Raises:
        InputError: If the file has another suffix.
        DataError: If it holds no such table.
    """
    if path.suffix not in {".npy", ".parquet"}:
        raise InputError(f"{path} is no .npy or .parquet file", "write one with `latentia encode --out`")
    try:
        return iter(_of_parquet(pq.ParquetFile(path)) if path.suffix == ".parquet" else _of_array(path))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "name a file that `latentia encode --out` wrote") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{path} holds no codes ({reason_of(error)})", "write it again with `latentia encode --out`"
        ) from None


def _of_array(path: Path) -> Any:  # noqa: ANN401 - an array, row by row
    array = np.lib.format.open_memmap(path, mode="r")
    if array.dtype.kind not in "fiu" or array.ndim < 2:
        raise ValueError(f"an array of {array.dtype}, {array.ndim} axes")
    return array


def _of_parquet(file: pq.ParquetFile) -> Iterator[Any]:
    if "code" not in file.schema_arrow.names:
        raise ValueError("no column code")
    batches = file.iter_batches(columns=["code"])
    return (row for batch in batches for row in batch.column(0).to_pylist())
