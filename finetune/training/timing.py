"""Where the time of a training goes: waiting for batches, computing steps, evaluating and saving checkpoints."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Timing:
    """Measures, on this process, the seconds that the parts of a training take, from one `take` to the next.

    On a GPU the host waits for the device where a value is read, which is when something is logged. The sums over the
    time between two entries are therefore right there too, and the parts within a single step may not be.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start anew, without anything that was measured before."""
        self._seconds = defaultdict[str, float](float)
        self._tokens = 0
        self._began = time.perf_counter()

    @contextlib.contextmanager
    def measured(self, part: str) -> Iterator[None]:
        """Add the time inside this block to a part.

        Args:
            part: Its name.
        """
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[part] += time.perf_counter() - began

    def waiting(self, items: Iterable[T], part: str) -> Iterator[T]:
        """Yield the items, and add the time that they are waited for to a part.

        Args:
            items: What is waited for.
            part: The name of the part.
        """
        iterator = iter(items)
        while True:
            with self.measured(part):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add_tokens(self, tokens: int) -> None:
        """Count tokens on which the model was trained, over all processes."""
        self._tokens += tokens

    def take(self) -> dict[str, float]:
        """Return what was measured since the last call, and start anew.

        Returns:
            `tokens`; `tokens_per_second`, over the time in which the model was neither evaluated nor saved, absent
            where there were no tokens; and the seconds of each part as `data_seconds`, `evaluation_seconds`,
            `checkpoint_seconds`, with the rest as `training_seconds`. Together they are the time since the last call.
        """
        whole, parts, tokens = time.perf_counter() - self._began, self._seconds, self._tokens
        self.begin()
        trained = whole - parts["evaluation"] - parts["checkpoint"]
        return {
            "tokens": tokens,
            **({"tokens_per_second": tokens / trained} if tokens else {}),
            "training_seconds": trained - parts["data"],
            **{f"{part}_seconds": parts[part] for part in ("data", "evaluation", "checkpoint")},
        }
