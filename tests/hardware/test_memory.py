"""Out of memory: batches in halves, with the same gradient, from the same step on; said once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from finetune import compose, training
from finetune.errors import UserError
from finetune.hardware.memory import is_out_of_memory
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.training.evaluation import evaluate
from finetune.training.loop import Loop
from finetune.training.run import Run, prepare
from tests.checkpointing.runs import elsewhere, interrupted, small
from tests.training.gradients import assert_same_steps, steps, varied
from tests.training.processes import together

Toy = Callable[..., Recipe]

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
]


def limit(run: Run, examples: int, error: Exception = ERRORS[0]) -> list[int]:
    """Let memory suffice for so many examples; gives the sizes of the batches that were computed."""
    original, sizes = run.task.loss, list[int]()

    def loss(model: Any, batch: Any, label_smoothing: float) -> Tensor:
        if len(batch.examples) > examples:
            raise error
        sizes.append(len(batch.examples))
        return original(model, batch, label_smoothing)

    run.task.loss = loss  # type: ignore[method-assign]
    return sizes


@pytest.mark.parametrize("error", ERRORS)
def test_what_memory_says(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("out of memory."))


def test_halves_have_the_same_gradient(toy: Toy) -> None:
    keys = {"training.batch_size": 16, "training.gradient_accumulation": 1, "model.scratch.dropout": 0.0}
    run = prepare(small(toy, **keys))
    whole, by_tokens = steps(run), varied(run, {"training.tokens_per_batch": 150})
    expected = steps(by_tokens)
    sizes = limit(run, 5)
    assert_same_steps(steps(run), whole)
    assert_same_steps(steps(by_tokens), expected)
    assert max(sizes) in (4, 5)


@pytest.mark.parametrize("error", ERRORS)
def test_it_is_said_once_and_no_step_is_lost(toy: Toy, capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    run = prepare(small(toy, **{"training.epochs": 1}))
    limit(run, 1, error)
    loop = training.fit(run)
    assert (loop.state.step, loop.state.parts) == (6, 4)
    said = capsys.readouterr().err
    assert said.count("out of memory at step 1") == 2  # 4 -> 2 -> 1


def test_a_run_goes_on_in_the_same_parts(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy)
    with monkeypatch.context() as patched:
        original = training.run.prepare
        patched.setattr("finetune.training.prepare", lambda *start: (run := original(*start), limit(run, 2))[0])
        folder = interrupted(recipe, monkeypatch, 4)
    run = prepare(recipe.model_copy(update={"resume": str(folder)}))
    assert Loop(run).state.parts == 2


def test_memory_that_does_not_suffice_for_one_is_told(toy: Toy) -> None:
    run = prepare(small(toy))
    limit(run, 0)
    with pytest.raises(UserError, match="at step 1, for a single example") as caught:
        training.fit(run)
    assert "gradient_checkpointing" in str(caught.value.fix)


def test_other_errors_are_no_matter_of_memory(toy: Toy) -> None:
    run = prepare(small(toy))
    limit(run, 0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        training.fit(run)


def test_evaluation_takes_halves_too(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    run = prepare(small(toy))
    whole = evaluate(run, run.model, "dev")
    original = run.task.predict

    def predict(model: Any, batch: Any, *arguments: Any, **options: Any) -> Any:
        if len(batch.examples) > 3:
            raise ERRORS[0]
        return original(model, batch, *arguments, **options)

    run.task.predict = predict  # type: ignore[method-assign]
    halves = evaluate(run, run.model, "dev")
    assert halves.values == pytest.approx(whole.values, rel=1e-6)
    assert capsys.readouterr().err.count("out of memory") == 1
    run.task.predict = lambda *_, **__: (_ for _ in ()).throw(ERRORS[1])  # type: ignore[method-assign]
    with pytest.raises(UserError, match="for a single example"):
        evaluate(run, run.model, "dev")


def test_two_processes_agree(toy: Toy, tmp_path: Path) -> None:
    """Memory suffices on the one and not on the other."""
    keys = {"training.batch_size": 8, "training.gradient_accumulation": 1, "model.scratch.dropout": 0.0}
    recipe = small(toy, **keys, **{"training.epochs": 1})
    torch.save(steps(varied(prepare(recipe), {"training.batch_size": 16})), tmp_path / "whole")

    def body() -> int:
        run = prepare(elsewhere(recipe, "two"))
        if run.accelerator.process_index == 1:
            limit(run, 3)
        assert_same_steps(steps(run), torch.load(tmp_path / "whole"))
        return 0

    assert together(body, tmp_path / "logs", 2) == [0, 0], (tmp_path / "logs" / "0.log").read_text()
    said = (tmp_path / "logs" / "0.log").read_text()
    assert said.count("out of memory at step 1") == 2  # 8 -> 4 -> 2
    assert "out of memory" not in (tmp_path / "logs" / "1.log").read_text()


def test_gradient_checkpointing_trains_the_same(toy: Toy) -> None:
    """Dropout included: it drops the same again."""
    recipe = small(toy, **{"training.epochs": 1})
    recomputed = compose.override(elsewhere(recipe, "recomputed"), {"training.gradient_checkpointing": True})
    assert run_recipe(recomputed) == pytest.approx(run_recipe(recipe), rel=1e-6)


def test_a_model_that_cannot_is_told(toy: Toy) -> None:
    run = prepare(small(toy, **{"training.gradient_checkpointing": True}))
    type(run.model).supports_gradient_checkpointing, before = False, type(run.model).supports_gradient_checkpointing
    try:
        with pytest.raises(UserError, match="does not support gradient checkpointing"):
            Loop(run)
    finally:
        type(run.model).supports_gradient_checkpointing = before


def test_a_real_failure_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15, dtype=torch.float64)
    assert is_out_of_memory(caught.value)
