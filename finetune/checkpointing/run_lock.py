"""The lock of a run's folder: one process at a time reads, changes and publishes a run."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from finetune.errors import UserError

_LOCK = ".lock"


class RunLock:
    """The hold of a process on one run, taken before anything of the run is read or changed.

    The system ends the hold when the process dies, by whatever cause. Jobs of one process share it, since a notebook
    may prepare a run again while it still has an older job of it.
    """

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def take(self, folder: Path) -> bool:
        """Lock a run for this process, and unlock the one that was held before; False where another process has it.

        Args:
            folder: The run's folder.

        Raises:
            UserError: The folder cannot be written.
        """
        self.release()
        path = folder / _LOCK
        lock = FileLock(path, timeout=0, thread_local=False, is_singleton=True)
        try:
            lock.acquire()
            path.write_text(f"process {os.getpid()} of {platform.node()}\n", encoding="utf-8")
        except Timeout:
            return False
        except OSError as error:
            raise UserError(
                "the run cannot be locked against other processes, and does not go on without",
                where=str(path),
                expected="a file that can be written",
                found=error.strerror or str(error),
                fix="make the run's folder writable, or start a new run in another one: output_dir=...",
            ) from error
        self._lock = lock
        return True

    def release(self) -> None:
        """Let other processes have the run; does nothing where none is held."""
        if self._lock is not None:
            self._lock.release(force=True)
            self._lock = None

    @contextlib.contextmanager
    def released_on_error(self) -> Iterator[None]:
        """Release the lock if this block ends with an exception of any kind."""
        try:
            yield
        except BaseException:
            self.release()
            raise


def at_work(folder: Path) -> UserError:
    """Return the error to raise where another process has locked a run."""
    try:
        holder = (folder / _LOCK).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        holder = None
    return UserError(f"the run {folder} is at work", where="resume", found=holder, fix="wait for it, or end it")
