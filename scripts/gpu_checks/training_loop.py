"""finetune's own training loop: it learns, goes on after an error, and halves batches that memory does not suffice for.

Where a package that the loop needs is not installed, the part is left out and names it.
"""

import gc
import importlib
import json
import random
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.gpu_checks.learning import ENOUGH
from scripts.gpu_checks.results import Comparison, LeftOut, Result, Results, attempt
from scripts.gpu_checks.setting import Setting

LABELS = ("north", "east", "south", "west")
SAME_WEIGHTS = 1e-2
"""The largest distance of weights after the same steps, relative to their length, in fp32. Sums on a GPU have no fixed
order, and an optimizer that divides by the gradient's size enlarges what differs by rounding."""


class Crash(Exception):
    """Stands for whatever ends a run in the middle."""


def check_training_loop(setting: Setting) -> Results:
    """Train by finetune.training, interrupted and not, and with too little memory."""
    try:
        for module in ("finetune.recipe", "finetune.run", "finetune.training", "finetune.library"):
            importlib.import_module(module)
    except ImportError as error:
        yield LeftOut("training by finetune.training", f"{error.name or error} cannot be imported")
        return
    ways: dict[str, Callable[[Path, Setting], Result]] = {
        "learns by finetune.training": compare_learning,
        "resumed after an error": compare_resumed,
        "batches halved on an error for lack of memory": compare_halved,
        "batches halved where the memory of the GPU ends": compare_limited,
    }
    for name, way in ways.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield attempt(name, partial(way, Path(folder), setting))


def write_rows(folder: Path, count: int, longest: int) -> Path:
    """Write train, dev and test splits in which one word of each text tells its label.

    Args:
        folder: A folder that is made.
        count: Number of rows of the train split; the others have a quarter of it.
        longest: The largest number of words of a text.
    """
    draw = random.Random(0)
    folder.mkdir()
    for split, number in {"train": count, "dev": count // 4, "test": count // 4}.items():
        lines = []
        for _ in range(number):
            words = [f"word{draw.randrange(40)}" for _ in range(draw.randint(max(3, longest // 2), longest))]
            label = draw.choice(LABELS)
            words.insert(draw.randrange(len(words) + 1), label)
            lines.append(json.dumps({"text": " ".join(words), "label": label}) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def recipe(folder: Path, keys: Mapping[str, Any], *, rows: int = 400, longest: int = 10) -> Any:
    """Return a recipe that trains a small BERT on the rows under a mask, on ragged streams.

    Args:
        folder: Where data and runs are written; data that is there is kept.
        keys: Values of keys of the recipe, by dotted name.
        rows: Number of rows of the train split.
        longest: The largest number of words of a text.
    """
    from finetune.compose import override
    from finetune.recipe import Data, Model, Recipe, Scratch, TextClassification, Training

    data = folder / "data"
    if not data.exists():
        write_rows(data, rows, longest)
    made = Recipe(
        name="check_gpu",
        task=TextClassification(max_length=128),
        model=Model(scratch=Scratch(architecture="bert", size="tiny", vocab_size=200, dropout=0.0)),
        data=Data(path=str(data)),
        training=Training(batch_size=16, learning_rate=2e-3, precision="fp32"),
        output_dir=folder / "runs",
    )
    return override(made, {"attention.encoder": "window(4) | global_tokens(cls)", **keys})


def compare_learning(folder: Path, setting: Setting) -> Comparison:
    """Train, evaluate and save as a run does, in bf16 where the device is fast at it, and look at the test score."""
    from finetune.run import run_recipe

    scores = run_recipe(recipe(folder, {"training.epochs": 3, "training.precision": "auto"}))
    return Comparison("learns by finetune.training, share of wrong answers", 1 - scores["accuracy"], 1 - ENOUGH)


def compare_resumed(folder: Path, setting: Setting) -> Comparison:
    """Compare the weights of a run that an error ended and that was resumed with those of one without an error."""
    from finetune.training import fit, prepare
    from finetune.training.callbacks import Callback

    class CrashAtStep(Callback):
        """Ends the run by an error after step 9; the last checkpoint is that of step 8."""

        def on_step_end(self, state: Any) -> None:
            if state.global_step == 9:
                raise Crash

    keys = {"training.steps": 16, "training.save_every": 4, "training.finished_checkpoints": "all"}
    whole = weights(fit(prepare(recipe(folder, keys))))
    crashing = recipe(folder, {**keys, "output_dir": str(folder / "crashed")})
    try:
        fit(prepare(crashing, [CrashAtStep()]))
    except Exception as error:
        if not _caused_by(error, Crash):
            raise
    loop = fit(prepare(recipe(folder, {**keys, "output_dir": str(folder / "crashed"), "resume": "auto"})))
    if not loop.run.resumed or loop.state.step != 16:
        raise RuntimeError(f"the run was not resumed: it is at step {loop.state.step} of 16")
    return Comparison("resumed after an error, distance of weights", distance(weights(loop), whole), SAME_WEIGHTS)


def compare_halved(folder: Path, setting: Setting) -> Comparison:
    """Compare weights with and without an error for lack of memory, which batches of more than 5 examples raise."""
    from finetune.training import fit, prepare

    keys = {"training.steps": 6}
    whole = weights(fit(prepare(recipe(folder, keys))))
    run: Any = prepare(recipe(folder, {**keys, "output_dir": str(folder / "halved")}))
    original = run.task.loss

    def loss(model: Any, batch: Any, label_smoothing: float) -> Tensor:
        if len(batch.examples) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        found: Tensor = original(model, batch, label_smoothing)
        return found

    run.task.loss = loss
    loop = fit(run)
    if loop.state.parts != 4:
        raise RuntimeError(f"batches of 16 were cut into {loop.state.parts} parts in place of 4")
    return Comparison("batches halved on an error, distance of weights", distance(weights(loop), whole), SAME_WEIGHTS)


def compare_limited(folder: Path, setting: Setting) -> Result:
    """Compare weights of a run in all memory with those of one for whose whole batches memory does not suffice."""
    if not setting.on_gpu:
        return LeftOut("batches halved where the memory of the GPU ends", "there is no GPU")
    from finetune.training import fit, prepare

    keys = {"training.steps": 4, "training.batch_size": 512}

    def trained(number: int, **changes: Any) -> tuple[Any, float]:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        own = {"output_dir": str(folder / str(number)), **keys, **{f"training.{key}": changes[key] for key in changes}}
        loop = fit(prepare(recipe(folder, own, rows=2048, longest=120)))
        found = weights(loop), loop.state.parts
        return found, torch.cuda.max_memory_reserved()

    (whole, _), most = trained(1)
    _, half = trained(2, batch_size=256)
    if half > 0.8 * most:
        return LeftOut("batches halved where the memory of the GPU ends", "half a batch needs as much memory")
    torch.cuda.set_per_process_memory_fraction((most + half) / 2 / torch.cuda.get_device_properties(0).total_memory)
    try:
        (found, parts), _ = trained(3)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    if parts < 2:
        raise RuntimeError("memory sufficed, although it was limited to less than a batch needs")
    return Comparison("batches halved where memory ends, distance of weights", distance(found, whole), SAME_WEIGHTS)


def weights(loop: Any) -> dict[str, Tensor]:
    """Return the weights of the model of a loop, float64 on the CPU, by name."""
    return {name: weight.detach().double().cpu() for name, weight in loop.unwrapped.named_parameters()}


def distance(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the distance of weights relative to the length of the expected ones."""
    apart = sum(float((found[name] - weight).square().sum()) for name, weight in expected.items())
    return float((apart / sum(float(weight.square().sum()) for weight in expected.values())) ** 0.5)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Return whether an error or one of its causes is of a kind."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
