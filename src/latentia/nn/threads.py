"""Independent parts of a computation, each on a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor


def on_threads(work: Callable[[Tensor], None], parts: Sequence[Tensor]) -> None:
    """Do work on each part without gradients, on as many threads as torch gives to one operation.

    Small operations that are each split over threads wait for each other after every one; parts that are not, only at
    the end. Torch keeps the number of threads for each thread, and one for those to come, which is put back.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) == 1:
        for part in parts:
            work(part)
        return
    try:
        with ThreadPoolExecutor(min(threads, len(parts)), initializer=partial(torch.set_num_threads, 1)) as pool:
            list(pool.map(torch.no_grad()(work), parts))
    finally:
        torch.set_num_threads(threads)
