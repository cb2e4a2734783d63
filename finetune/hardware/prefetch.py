"""Batches prepared in advance by a second thread."""

import dataclasses
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from torch import Tensor

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def prefetch(make: Callable[[ItemT], ResultT], given: Iterable[ItemT], *, ahead: int) -> Generator[ResultT]:
    """Yield `make(item)` for each item, and compute up to `ahead` further results in a thread meanwhile.

    An exception of `make` is raised where its result would have been yielded. The thread ends when the generator is
    closed or garbage-collected; results that were computed in advance are then lost.

    Args:
        make: The function; it is called for one item at a time, in order.
        given: The items.
        ahead: Number of results that are computed in advance; 0 computes each when it is requested, without a thread.
    """
    if ahead == 0:
        yield from map(make, given)
        return
    waiting: deque[Future[ResultT]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as thread:
        try:
            for one in given:
                waiting.append(thread.submit(make, one))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def pinned(value: ResultT) -> ResultT:
    """Return a copy with all tensors in page-locked memory, from which they are copied to a GPU asynchronously."""
    if isinstance(value, Tensor):
        return cast(ResultT, value.pin_memory())
    if isinstance(value, Mapping):
        return cast(ResultT, {key: pinned(one) for key, one in value.items()})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: pinned(getattr(value, one.name)) for one in dataclasses.fields(value) if one.init}
        return cast(ResultT, dataclasses.replace(value, **fields))
    return value
