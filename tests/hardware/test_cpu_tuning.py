"""One key turns off all that a run does to be fast on a CPU; the numbers stay what they are but for rounding."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from finetune import compose, serve, training
from finetune.attention.kernels import tiled
from finetune.attention.pretrained.size_bucketing import bucketed_length
from finetune.attention.tuning import is_cpu_tuned
from finetune.errors import UserError
from finetune.hardware import cpu_tuning, embeddings, matmul
from finetune.recipe import Recipe
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checkpointing.runs import elsewhere

Toy = Callable[..., Recipe]
CPU = torch.device("cpu")
KINDS = [("text_classification", "bert"), ("token_classification", "bert"), ("text_to_text", "t5")]


def short(toy: Toy, kind: str, architecture: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A run of a few steps without dropout, whose random numbers are tuned too."""
    keys = {"training.steps": 6, "training.batch_size": 8, "training.log_every": 1, "model.scratch.dropout": 0.0}
    return toy(kind, architecture, train=60, held_out=12, **(keys | dict(overrides or {})))


def untuned(recipe: Recipe) -> Recipe:
    return compose.override(elsewhere(recipe, "untuned"), {"training.cpu_tuning": False})


def hooks() -> set[str]:
    """Which parts of the tuning that are no part of the model are at work."""
    found = {
        "size bucketing": bucketed_length(701, CPU) != 701,
        "fp32 products": matmul._mkldnn.matmul.fp32_precision == "bf16",
        "switch": is_cpu_tuned(),
    }
    return {name for name, is_active in found.items() if is_active}


def hooks_of(loop: Loop) -> set[str]:
    """Which parts of the tuning are at work, those of the model included."""
    modules = list(loop.model.modules())
    found = {
        "dropout": any(isinstance(one, nn.Dropout) and type(one) is not nn.Dropout for one in modules),
        "embeddings": any(isinstance(one, nn.Embedding) and one.sparse for one in modules),
    }
    return hooks() | {name for name, is_active in found.items() if is_active}


@pytest.fixture(autouse=True)
def _small_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_LEAST", 1)  # weights of an embedding whose gradients are gathered


@pytest.mark.parametrize(("kind", "architecture"), KINDS)
def test_on_and_off_give_the_same_losses_and_weights(toy: Toy, kind: str, architecture: str) -> None:
    library = "onednn" if matmul._mkldnn.is_available() else "auto"
    recipe = short(toy, kind, architecture, {"training.fp32_matmul": library})
    plain = compose.override(elsewhere(recipe, "off"), {"training.fp32_matmul": "auto", "training.cpu_tuning": False})
    losses, weights = [], []
    for one in (recipe, plain):
        loop = training.fit(prepare(one))
        lines = [json.loads(line) for line in loop.run.folder.metrics.read_text().splitlines()]
        losses.append([value for line in lines for name, value in line.items() if name.endswith("loss")])
        weights.append(load_file(loop.best_checkpoint / "model.safetensors"))
    assert len(losses[0]) > 6
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=1e-2, atol=1e-3, msg=name)


def test_off_leaves_nothing_of_it_in_training_or_evaluation(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """On, each part is there: so the second half would notice one that stays."""
    recipe = short(toy, *KINDS[0], {"training.steps": 1})
    seen: dict[bool, dict[str, set[str]]] = {True: {}, False: {}}
    for is_tuned in (True, False):
        run = prepare(recipe if is_tuned else untuned(recipe))
        loop = Loop(run)
        loss, predict, noted = run.task.loss, run.task.predict, seen[is_tuned]

        def in_training(*arguments: Any, loop: Loop = loop, loss: Any = loss, noted: Any = noted) -> Any:
            noted["training"] = hooks_of(loop)
            return loss(*arguments)

        def in_evaluation(*arguments: Any, predict: Any = predict, noted: Any = noted, **options: Any) -> Any:
            noted["evaluation"] = hooks()
            return predict(*arguments, **options)

        monkeypatch.setattr(run.task, "loss", in_training)
        monkeypatch.setattr(run.task, "predict", in_evaluation)
        loop.train()
    assert seen[True]["training"] - {"fp32 products"} == {"size bucketing", "switch", "dropout", "embeddings"}
    assert seen[True]["evaluation"] >= {"size bucketing", "switch"}
    assert seen[False] == {"training": set(), "evaluation": set()}
    assert is_cpu_tuned(), "the switch is set back after the run"


def test_off_leaves_the_process_alone(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done: list[str] = []
    monkeypatch.setattr(cpu_tuning, "keep_memory", lambda: done.append("memory"))
    monkeypatch.setattr(torch, "set_num_threads", lambda number: done.append("threads"))
    recipe = short(toy, *KINDS[0])
    prepare(untuned(recipe))
    assert done == []
    prepare(recipe)
    assert done == ["memory", "threads"]


def test_off_tries_no_library_and_says_so(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(matmul, "_measure", lambda *_: pytest.fail("libraries were tried"))
    run = prepare(untuned(short(toy, *KINDS[0])))
    assert run.matmul.library == "default"
    assert "fp32 products: default (training.cpu_tuning=false)" in capsys.readouterr().err


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this torch has no MKL")  # type: ignore[no-untyped-call]
def test_off_multiplies_small_tiles_as_torch_is_set(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    original = tiled._matmul_settings
    recipe = short(toy, *KINDS[0], {"training.steps": 1})
    for is_tuned, found in seen.items():

        @contextmanager
        def noted(query: Any, plan: Any, found: set[str] = found) -> Iterator[torch.dtype]:
            with original(query, plan) as dtype:
                found.add(matmul._mkldnn.matmul.fp32_precision)
                yield dtype

        monkeypatch.setattr(tiled, "_matmul_settings", noted)
        Loop(prepare(recipe if is_tuned else untuned(recipe))).train()
    assert "ieee" in seen[True]
    assert seen[False] == {matmul._mkldnn.matmul.fp32_precision}


def test_a_model_that_was_trained_without_predicts_without(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = untuned(short(toy, *KINDS[0], {"training.steps": 1}))
    training.finish_run(training.fit(prepare(recipe)))
    (folder,) = (path.parent for path in recipe.output_dir.glob("*/*/recipe.yaml"))
    seen: list[set[str]] = []
    for overrides in ({}, {"training.cpu_tuning": True}):
        predictor = serve.loading.load_predictor(*serve.loading.find_recipe(str(folder), overrides=overrides))
        original = predictor.task.predict

        def noted(*arguments: Any, original: Any = original, **options: Any) -> Any:
            seen.append(hooks())
            return original(*arguments, **options)

        monkeypatch.setattr(predictor.task, "predict", noted)
        predictor.predict([{"text": "a fine film"}])
    assert seen[0] == set()
    assert "size bucketing" in seen[1]


def test_a_library_cannot_be_asked_for_without_tuning(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cpu_tuning=false takes fp32_matmul=auto or default, found onednn"):
        short(toy, *KINDS[0], {"training.cpu_tuning": False, "training.fp32_matmul": "onednn"})
