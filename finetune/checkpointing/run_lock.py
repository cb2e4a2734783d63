"""The lock of a run folder, by which only one process at a time reads, changes and publishes a run."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from finetune.errors import UserError

_LOCK = ".lock"


class RunLock:
    """A lock on one run, which a process takes before it reads or changes anything of the run.

    The operating system releases the lock when the process ends, for whatever reason. Objects in one process share the
    lock of a folder, because a notebook may prepare a run again while it still has an older `Run` of it.
    """

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def take(self, folder: Path) -> bool:
        """Lock a run for this process, after releasing the run that was locked before.

        Args:
            folder: The run folder.

        Returns:
            Whether the run is locked now; False if another process has locked it.

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
                "the run cannot be locked against other processes, and is not resumed without a lock",
                where=str(path),
                expected="a file that can be written",
                found=error.strerror or str(error),
                fix="make the run's folder writable, or start a new run in another one: output_dir=...",
            ) from error
        self._lock = lock
        return True

    def release(self) -> None:
        """Release the lock, if one is held."""
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
    return UserError(
        f"the run {folder} is at work in another process", where="resume", found=holder, fix="wait for it, or end it"
    )
