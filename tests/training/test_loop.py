"""The loop's promises on one process: exact means, whole epochs, best checkpoint, early end."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune import compose, training
from finetune.checkpointing.run_folder import RunFolder
from finetune.data.batches import BatchPlan, Indices
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.training import nonfinite
from finetune.training.evaluation import EvaluationResult
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


def read_lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def only_run(recipe: Recipe) -> Path:
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    return folder


def test_a_run_leaves_everything_behind(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_classification", "bert", train=64, held_out=20, **{"training.epochs": 2})
    results = run_recipe(recipe)
    folder = only_run(recipe)
    stored = compose.load_recipe(str(folder / "recipe.yaml"))
    assert stored == compose.override(recipe, {"training.fp32_matmul": stored.training.fp32_matmul})
    assert json.loads((folder / "environment.json").read_text())["packages"]["torch"] == torch.__version__
    predictions = read_lines(folder / "predictions_test.jsonl")
    assert [line["id"] for line in predictions] == list(range(20))
    right = sum(line["prediction"] == line["reference"] for line in predictions)
    assert right / 20 == pytest.approx(results["accuracy"])
    log = read_lines(folder / "metrics.jsonl")
    assert [line["epoch"] for line in log if "epoch_train_loss" in line] == [1, 2]
    assert json.loads((folder / "results.json").read_text())["test"] == results
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    assert set(model.config.label2id) == {"good", "bad"}
    assert AutoTokenizer.from_pretrained(folder / "model")("good")["input_ids"]
    said = capfd.readouterr()
    assert "epoch 1/2  train loss" in said.err
    assert "test results on 20 examples" in said.out


def test_steps_instead_of_epochs(toy: Toy) -> None:
    run = prepare(toy("text_classification", "bert", train=64, held_out=8, **{"training.steps": 7}))
    loop = training.fit(run)
    assert loop.state.step == 7
    assert loop.schedule.get_last_lr()[0] == pytest.approx(0.0, abs=1e-9)


def test_the_best_checkpoint_is_the_one_that_is_tested(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(toy("text_classification", "bert", train=64, held_out=8, **{"training.epochs": 3}))
    values = iter([0.2, 0.9, 0.5])

    def fake(run: Any, model: Any, split: str, *, final: bool = False) -> Any:
        scores = Scores(values={"accuracy": next(values)})
        return EvaluationResult(scores, 1.0, ())

    monkeypatch.setattr("finetune.training.monitor.evaluate", fake)
    loop = training.fit(run)
    assert loop.state.best_step == 8
    assert sorted(path.name for path in run.folder.checkpoints.iterdir()) == ["step-000008", "step-000012"]
    assert loop.best_checkpoint.name == "step-000008"


def test_a_best_metric_that_no_score_gives_is_told(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(toy("text_classification", "bert", train=32, held_out=8))
    evaluated = EvaluationResult(Scores(values={"something": 0.5}), 1.0, ())
    monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: evaluated)
    with pytest.raises(UserError, match="no 'accuracy'") as caught:
        training.fit(run)
    assert "loss, something" in str(caught.value)


def test_patience_ends_the_run(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = {"training.epochs": 9, "training.patience": 2}
    run = prepare(toy("text_classification", "bert", train=64, held_out=8, **overrides))

    def fake(run: Any, model: Any, split: str, *, final: bool = False) -> Any:
        return EvaluationResult(Scores(values={"accuracy": 0.5}), 1.0, ())

    monkeypatch.setattr("finetune.training.monitor.evaluate", fake)
    assert training.fit(run).state.epoch == 2


def test_two_runs_give_the_same_bits(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=64, held_out=16, **{"training.epochs": 1})
    first, second = (training.fit(prepare(recipe)).unwrapped.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("limit", [0.01, 100.0])
def test_an_optimizer_that_divides_the_gradient_clips_as_torch_does(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"training.steps": 3})
    outcomes = []
    for divides in (True, False):
        if not divides:
            monkeypatch.setattr(nonfinite, "reads_on_device", lambda optimizer: False)
        loop = training.fit(prepare(compose.override(recipe, {"training.max_grad_norm": limit})))
        moments = [state["exp_avg"].flatten() for state in loop.optimizer.state.values()]
        outcomes.append((torch.cat(moments), [weight.detach() for weight in loop.model.parameters()]))
    torch.testing.assert_close(*outcomes)


def test_runs_of_one_second_have_folders_of_their_own(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8)
    folders = {RunFolder.create(recipe).path for _ in range(3)}
    assert len(folders) == 3
    assert all((folder / "recipe.yaml").is_file() for folder in folders)


def test_a_run_folder_that_cannot_be_made_is_told(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recipe = toy("text_classification", "bert", train=32, held_out=8, output_dir=str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written"):
        RunFolder.create(recipe)


def test_a_name_that_leaves_the_folder_of_runs_is_refused_where_paths_are_joined(toy: Toy, tmp_path: Path) -> None:
    """A recipe that takes its name from its file is not checked as its keys are."""
    recipe = toy("text_classification", "bert", train=32, held_out=8).model_copy(update={"name": "../../escaped"})
    with pytest.raises(UserError, match="slash"):
        RunFolder.create(recipe)
    assert not (tmp_path.parent / "escaped").exists()


def test_a_single_class_is_refused_before_training(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8)
    for path in Path(str(recipe.data.path)).iterdir():
        path.write_text(path.read_text().replace('"bad"', '"good"'))
    with pytest.raises(UserError, match="one class"):
        prepare(recipe)


def test_baselines_are_for_text_classification(toy: Toy) -> None:
    with pytest.raises(UserError, match="no baselines for this task"):
        prepare(toy("token_classification", "bert", train=32, held_out=8, **{"evaluation.baselines": True}))


def test_baselines_stand_beside_the_model(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_classification", "bert", train=200, **{"training.epochs": 1, "evaluation.baselines": True})
    run_recipe(recipe)
    baselines = json.loads((only_run(recipe) / "results.json").read_text())["baselines"]
    assert 0.3 < baselines["majority class"]["accuracy"] < 0.7
    assert baselines["TF-IDF + logistic regression"]["accuracy"] > 0.9
    assert "TF-IDF" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"training.best_metric": "acuracy"}, "training.best_metric=accuracy"),
        ({"evaluation.metrics": ["acuracy"]}, "accuracy"),
        ({"task.max_length": 600}, "at most 512 tokens"),
        pytest.param(
            {"training.precision": "fp16"},
            "training.precision=bf16",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="GPUs compute in fp16"),
        ),
    ],
)
def test_mistakes_are_found_before_training(toy: Toy, overrides: dict[str, Any], expected: str) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **overrides)
    with pytest.raises(UserError) as caught:
        prepare(recipe)
    assert expected in str(caught.value)
    assert not recipe.output_dir.exists()


@pytest.mark.parametrize("overrides", [{}, {"training.patience": 1, "training.eval_every": 1}])
def test_no_thread_stays_behind(toy: Toy, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any]) -> None:
    """Neither where the run stops early nor where it fails."""
    run = prepare(toy("text_classification", "bert", train=200, held_out=8, **overrides))
    if overrides:
        evaluated = EvaluationResult(Scores(values={"accuracy": 0.5}), 1.0, ())
        monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: evaluated)
        assert training.fit(run).state.step == 2
    else:
        monkeypatch.setattr(run.task, "loss", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.fit(run)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("overrides", [{}, {"training.tokens_per_batch": 50}, {"training.tokens_per_batch": 4}])
def test_a_run_has_as_many_steps_as_it_says(toy: Toy, monkeypatch: pytest.MonkeyPatch, overrides: Any) -> None:
    plans: list[int] = []
    original = BatchPlan.epoch

    def counted(plan: BatchPlan, epoch: int) -> list[Indices]:
        plans.append(epoch)
        return original(plan, epoch)

    monkeypatch.setattr(BatchPlan, "epoch", counted)
    settings = {"training.epochs": 2, "training.gradient_accumulation": 3}
    run = prepare(toy("text_classification", "bert", train=50, held_out=8, **settings, **overrides))
    evaluated = EvaluationResult(Scores(values={"accuracy": 0.5}), 1.0, ())
    monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: evaluated)
    loop = training.fit(run)
    assert loop.state.step == loop.state.total_steps
    assert plans == [0, 1]  # each made once
