"""SIGTERM and Ctrl-C: a checkpoint, an exit status, and a command that goes on as if nothing had been."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune import compose
from finetune.checkpointing.checkpoint import is_whole
from finetune.checkpointing.resume import command
from finetune.cli import app
from finetune.errors import Interrupted
from finetune.recipe import Recipe
from finetune.run import main, status
from finetune.tasks.text_classification import TextClassificationTask
from finetune.training.gradient import Gradients
from finetune.training.interrupt import Signals, StopNow
from tests.checkpointing.runs import assert_same_bits, elsewhere, only_run, small
from tests.training.processes import finish, free_port, start

Toy = Callable[..., Recipe]


def signalled(recipe: Recipe, owner: Any, name: str, call: int, *numbers: int) -> Callable[[], int]:
    """A run, for a process of its own, that is sent signals in the given call of a function."""

    def body() -> int:
        original, calls = getattr(owner, name), iter(range(1, 10**6))

        def call_it(*arguments: Any, **options: Any) -> Any:
            if next(calls) == call:
                for number in numbers:
                    os.kill(os.getpid(), number)
            return original(*arguments, **options)

        setattr(owner, name, call_it)
        return status(recipe)

    return body


def test_it_saves_and_says_how_to_go_on(toy: Toy, tmp_path: Path) -> None:
    """Within a step, while dev is evaluated, and while test is; the run that goes on ends with the same bits."""
    recipe, log = small(toy, **{"training.epochs": 1}), tmp_path / "log"
    assert finish(start(lambda: status(recipe), log)) == [0], log.read_text()
    moments: list[tuple[Any, str, int, int]] = [
        (Gradients, "forward_backward", 3, signal.SIGTERM),
        (TextClassificationTask, "predict", 1, signal.SIGINT),
        (TextClassificationTask, "predict", 3, signal.SIGTERM),
    ]
    for number, (owner, name, call, sent) in enumerate(moments):
        told = elsewhere(recipe, str(number))
        assert finish(start(signalled(told, owner, name, call, sent), log)) == [128 + sent], log.read_text()
        said = log.read_text().splitlines()
        assert f"{signal.Signals(sent).name}: the run is saved; to resume it:" in said
        if number == len(moments) - 1:
            continue  # training was over
        words = said[-1].split()
        assert words[:2] == ["finetune", "run"]
        assert finish(start(lambda words=words: main(words[2:]), log)) == [0], log.read_text()  # type: ignore[misc]
        assert_same_bits(only_run(recipe), only_run(told))


def test_a_second_ctrl_c_ends_at_once(toy: Toy, tmp_path: Path) -> None:
    recipe, log = small(toy), tmp_path / "log"
    body = signalled(recipe, Gradients, "forward_backward", 3, signal.SIGINT, signal.SIGINT)
    assert finish(start(body, log)) == [130], log.read_text()
    assert "ended at once" in log.read_text()
    assert not (only_run(recipe) / "checkpoints").exists()


def test_one_of_two_processes_is_told_and_both_save(toy: Toy, tmp_path: Path) -> None:
    recipe, port = small(toy, **{"training.epochs": 1}), free_port()
    told = signalled(recipe, Gradients, "forward_backward", 3, signal.SIGTERM)
    logs = [tmp_path / "0.log", tmp_path / "1.log"]
    bodies: list[Callable[[], int]] = [lambda: status(recipe), told]
    both = [start(body, logs[rank], rank, 2, port) for rank, body in enumerate(bodies)]
    assert finish(*both) == [143, 143], logs[0].read_text() + logs[1].read_text()
    (saved,) = (only_run(recipe) / "checkpoints").iterdir()
    assert is_whole(saved)
    assert f"--num_processes 2 finetune/run.py resume={only_run(recipe)}" in logs[0].read_text()


def test_the_command_quotes_what_a_shell_takes_apart() -> None:
    assert command(compose.compose(["recipe=sst2"]), Path("my runs/a"), 1) == "finetune run resume='my runs/a'"


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    signals = Signals()
    with signals.noted():
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_what_may_be_given_up_is_left_at_once() -> None:
    signals = Signals()
    with signals.noted():
        with pytest.raises(StopNow), signals.at_once():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(StopNow), signals.at_once():  # told before
            raise AssertionError
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_other_threads_train_without() -> None:
    """Python gives signals to its main thread alone."""
    failed: list[BaseException] = []

    def use() -> None:
        try:
            with Signals().noted():
                pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not failed


def test_the_command_line_ends_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.run.status", lambda recipe: 143)
    assert CliRunner().invoke(app, ["run"]).exit_code == 143


def test_the_status_is_the_one_that_shells_count() -> None:
    assert [Interrupted(number, "").status for number in (signal.SIGTERM, signal.SIGINT)] == [143, 130]
