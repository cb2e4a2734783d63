"""Batches prepared ahead, by a thread beside the one that trains."""

import dataclasses
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from torch import Tensor

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def prefetch(make: Callable[[ItemT], ResultT], given: Iterable[ItemT], *, ahead: int) -> Generator[ResultT]:
    """`map(make, given)`, up to `ahead` results of which are made before they are asked for, one after another.

    What `make` raises is raised where its result would have been given. Closing the generator, or dropping it, ends the
    thread; results that nobody asked for are lost.
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
    """A copy whose tensors lie in page-locked memory, from which a GPU copies without holding up this process."""
    if isinstance(value, Tensor):
        return cast(ResultT, value.pin_memory())
    if isinstance(value, Mapping):
        return cast(ResultT, {key: pinned(one) for key, one in value.items()})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: pinned(getattr(value, one.name)) for one in dataclasses.fields(value) if one.init}
        return cast(ResultT, dataclasses.replace(value, **fields))
    return value
