"""The embedded engine: uploads in batches, processed a few batches ahead of whoever takes them.

``process_many`` is pure and its kernels let go of the interpreter, so threads suffice; results come
in the order of the input, whichever batch is done first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def ahead(work: Callable[[In], Out], items: Iterable[In], workers: int) -> Iterator[Out]:
    """``map`` in order, with up to ``workers`` items being worked on while one is taken."""
    with ThreadPoolExecutor(workers, thread_name_prefix="process") as pool:
        waiting: deque[Future[Out]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
