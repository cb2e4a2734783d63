"""Runs in processes of their own, forked from the test's so that nothing is imported again."""

import io
import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState, GradientState, PartialState

_FORK = multiprocessing.get_context("fork")
SECONDS = 90
"""A process that takes longer is ended, and its test fails."""


def start(function: Callable[[], Any], log: Path, rank: int = 0, processes: int = 1, port: int = 0) -> Any:
    """Start a process that calls `function` and exits with the integer it gives; its output goes to `log`."""

    def body() -> None:
        with log.open("w", buffering=1) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stdout = sys.stderr = io.TextIOWrapper(os.fdopen(1, "wb", 0), write_through=True)
            _forget_accelerator()
            if processes > 1:
                names: dict[str, object] = {
                    "RANK": rank,
                    "LOCAL_RANK": rank,
                    "WORLD_SIZE": processes,
                    "LOCAL_WORLD_SIZE": processes,
                }
                names |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                os.environ.update({name: str(value) for name, value in names.items()})
                os.environ |= {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}
            try:
                status = function() or 0
            except BaseException:
                traceback.print_exc()
                status = 1
            sys.stdout.flush()
            os._exit(status)

    process = _FORK.Process(target=body)
    process.start()
    return process


def finish(*processes: Any) -> list[int]:
    """Wait for processes; gives their exit statuses, negative for the signal that ended one."""
    for process in processes:
        process.join(SECONDS)
    late = [process for process in processes if process.is_alive()]
    for process in late:
        process.kill()
        process.join()
    assert not late, "a process did not end"
    return [process.exitcode for process in processes]


def together(function: Callable[[], Any], folder: Path, processes: int) -> list[int]:
    """Call `function` in so many processes that know of each other; gives their exit statuses."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    return finish(*(start(function, folder / f"{rank}.log", rank, processes, port) for rank in range(processes)))


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def _forget_accelerator() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()
    GradientState._reset_state()
