"""Pushing checkpoints to the Hub during training."""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import NamedTuple

from finetune.checkpointing.state import TrainingState
from finetune.errors import UserError
from finetune.hub.account import Repository
from finetune.hub.push import STATE, push_checkpoint
from finetune.hub.retry import reason
from finetune.progress import say, warn

ASIDE = ".pushing-"
"""Prefix of the names of folders that hold a checkpoint until it is pushed."""


class _Waiting(NamedTuple):
    folder: Path
    step: int
    title: str


class CheckpointUploader:
    """Pushes checkpoints in order, each as a commit, by a thread of its own.

    Training never waits for a push. If checkpoints are saved faster than they can be pushed, only the newest of them is
    pushed next, and those before it are skipped. If a push fails, training continues, and the next checkpoint or the
    final model is pushed. The thread ends with the program: a checkpoint that is being pushed then is not on the Hub,
    and a run that is resumed pushes its next one.

    Args:
        target: The repository.
        run: The run folder. Folders of checkpoints that an earlier process did not push are deleted from it.
        base: Hub name of the model that the run started from; None if that is not a model of the Hub.
    """

    def __init__(self, target: Repository, run: Path, base: str | None = None) -> None:
        self.target = target
        self.base = base
        self.run = run
        self._warned: set[str] = set()
        self._queue: Queue[_Waiting | None] = Queue(1)
        self._delete_folders()
        atexit.register(self._delete_folders)
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def __call__(self, checkpoint: Path, state: TrainingState) -> None:
        """Push a checkpoint as it is now; it may be changed or deleted after this call.

        Args:
            checkpoint: The folder of the checkpoint.
            state: State of the training, with the dev scores for the title of the commit.
        """
        scores = ", ".join(f"{name} {value:.4f}" for name, value in state.dev.items())
        try:
            kept = _link_model(checkpoint, self.run)
        except OSError as error:  # a full disk, most likely
            self._warn(state.step, reason(error))
            return
        self._make_room()
        self._queue.put_nowait(_Waiting(kept, state.step, f"Step {state.step} in training: dev {scores}"))

    def finish(self) -> None:
        """Wait until all checkpoints that are not skipped are pushed."""
        if self._queue.unfinished_tasks:
            say("waiting for the checkpoints that are on their way to the Hub")
        self._queue.put(None)
        self._thread.join()

    def _make_room(self) -> None:
        """Skip the checkpoint that waits, if there is one; only this thread adds checkpoints to the queue."""
        with suppress(Empty):
            older = self._queue.get_nowait()
            if older is not None:
                self._warn(older.step, "the Hub is slower than training, and a newer one takes its place")
                shutil.rmtree(older.folder, ignore_errors=True)
            self._queue.task_done()

    def _delete_folders(self) -> None:
        for left in self.run.glob(f"{ASIDE}*"):
            shutil.rmtree(left, ignore_errors=True)

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            try:
                push_checkpoint(waiting.folder, self.target, waiting.title, self.base)
            except UserError as error:
                self._warn(waiting.step, str(error))
            except Exception as error:  # no failure of a push may end the training
                self._warn(waiting.step, reason(error))
            finally:
                shutil.rmtree(waiting.folder, ignore_errors=True)
                self._queue.task_done()

    def _warn(self, step: int, problem: str) -> None:
        """Show a warning for a problem the first time that it occurs."""
        if problem not in self._warned:
            self._warned.add(problem)
            warn(f"the checkpoint of step {step} is not pushed (training continues): {problem}")


def _link_model(checkpoint: Path, run: Path) -> Path:
    """Return a new folder with hard links to a checkpoint's model, which stays when the checkpoint is deleted."""
    kept = Path(tempfile.mkdtemp(dir=run, prefix=ASIDE))
    try:
        leave_out = shutil.ignore_patterns(STATE)
        shutil.copytree(checkpoint, kept, copy_function=_link, ignore=leave_out, dirs_exist_ok=True)
    except BaseException:
        shutil.rmtree(kept, ignore_errors=True)
        raise
    return kept


def _link(source: str, target: str) -> None:
    with suppress(OSError):  # some file systems have no hard links
        os.link(source, target)
        return
    shutil.copyfile(source, target)
