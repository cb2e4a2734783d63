"""Which checkpoint is the best, by which direction, and what patience counts."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from finetune import training
from finetune.checkpointing.state import TrainingState
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.tasks import EvaluationRecord
from finetune.training.evaluation import EvaluationResult
from finetune.training.run import prepare
from finetune.training.selection import update_best

Toy = Callable[..., Recipe]
NAN = math.nan
SMAPE = """
import datasets
import evaluate

class Own(evaluate.Metric):
    def _info(self):
        number = datasets.Value("string")
        features = datasets.Features({"predictions": number, "references": number})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"smape": 0.5, "wobble": 0.5}
"""


def selected(values: Iterable[float], losses: Iterable[float], *, greater: bool = True) -> TrainingState:
    """The state after evaluations with these values and losses, at steps 1, 2, 3, ..."""
    state = TrainingState(total_steps=9)
    for step, (value, loss) in enumerate(zip(values, losses, strict=False), start=1):
        state.step = step
        update_best(state, {"loss": loss, "score": value}, "score", greater_is_better=greater)
    return state


@pytest.mark.parametrize(
    ("values", "losses", "best"),
    [
        ([0.1, 0.3, 0.2], [1, 9, 1], 2),
        ([0.0, 0.0, 0.0], [3, 2, 2.5], 2),
        ([0.0, 0.0, 0.0], [1, 1, 1], 3),
        ([0.5, 0.5], [1, 2], 1),
        ([0.2, 1.0, 1.0, 1.0, 0.9], [4, 3, 1, 2, 0], 3),
        ([NAN, 0.1, NAN], [1, 2, 0], 2),
        ([NAN, NAN], [2, 1], 2),
        ([0.5, 0.5, 0.5], [NAN, 2, NAN], 2),
        ([0.5, 0.5], [NAN, NAN], 2),
    ],
)
def test_among_equal_values_the_lower_loss_wins_then_the_later(
    values: list[float], losses: list[float], best: int
) -> None:
    assert selected(values, losses).best_step == best
    assert selected([-value for value in values], losses, greater=False).best_step == best


@pytest.mark.parametrize(
    ("values", "losses", "counted"),
    [
        ([0.0] * 5, [5, 6, 7, 8, 9], 0),
        ([NAN] * 3, [1, 1, 1], 0),
        ([0.5] * 4, [4, 3, 2, 1], 0),
        ([0.5] * 4, [1, 1, 1, 1], 3),
        ([0.5] * 4, [4, 3, 3.5, 3.6], 2),
        ([0.0, 0.0, 0.2, 0.2, 0.2], [5, 4, 3, 2, 1], 2),
        ([0.0, 0.0, 0.2, 0.1, 0.3], [5, 4, 3, 2, 1], 0),
        ([0.3, 0.2, 0.1], [3, 2, 1], 2),
    ],
)
def test_patience_does_not_count_ties_before_anything_is_gained(
    values: list[float], losses: list[float], counted: int
) -> None:
    assert selected(values, losses).evaluations_without_gain == counted


def test_a_state_from_before_losses_were_kept_goes_on() -> None:
    state = TrainingState(total_steps=9, step=2, best_value=0.5, best_step=1)
    update_best(state, {"loss": 1.0, "score": 0.5}, "score", greater_is_better=True)
    assert (state.best_step, state.best_loss) == (2, 1.0)


def evaluations(accuracies: Iterable[float], losses: Iterable[float]) -> Callable[..., EvaluationResult]:
    pairs: Iterator[tuple[float, float]] = zip(accuracies, losses, strict=False)

    def fake(*_: Any, **__: Any) -> EvaluationResult:
        accuracy, loss = next(pairs)
        return EvaluationResult(Scores(values={"accuracy": accuracy}), loss, ())

    return fake


def test_a_run_without_any_gain_keeps_its_best_loss(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = {"training.epochs": 4, "training.patience": 1}
    run = prepare(toy("text_classification", "bert", train=32, held_out=8, **overrides))
    monkeypatch.setattr("finetune.training.monitor.evaluate", evaluations(repeat(0.0), [4.0, 2.0, 1.0, 3.0]))
    loop = training.fit(run)
    assert (loop.state.step, loop.state.best_step, loop.state.best_loss) == (8, 6, 1.0)
    assert loop.best_checkpoint.is_dir()


@pytest.fixture
def own_metric(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(SMAPE)
    return str(path)


def with_metric(toy: Toy, own_metric: str, **overrides: Any) -> Recipe:
    metrics = {"evaluation.metrics": ["accuracy", own_metric], "training.epochs": 3}
    return toy("text_classification", "bert", train=32, held_out=8, **metrics, **overrides)


@pytest.mark.parametrize(
    ("overrides", "best", "said"),
    [
        ({"training.best_metric": "smape"}, 4, "by dev smape, lower is better"),
        ({"training.best_metric": "smape", "training.greater_is_better": True}, 2, "by dev smape, greater is better"),
        ({"training.best_metric": "wobble", "training.greater_is_better": False}, 4, "by dev wobble, lower is better"),
        ({}, 2, "by dev accuracy, greater is better"),
    ],
)
def test_the_direction_is_known_or_told_and_said(
    toy: Toy,
    own_metric: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: dict[str, Any],
    best: int,
    said: str,
) -> None:
    run = prepare(with_metric(toy, own_metric, **overrides))
    values = iter([0.3, 0.1, 0.2])

    def fake(*_: Any, **__: Any) -> EvaluationResult:
        return EvaluationResult(Scores(values=dict.fromkeys(("accuracy", "smape", "wobble"), next(values))), 1.0, ())

    monkeypatch.setattr("finetune.training.monitor.evaluate", fake)
    assert training.fit(run).state.best_step == best
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_direction_that_is_not_known_is_asked_for(toy: Toy, own_metric: str) -> None:
    recipe = with_metric(toy, own_metric, **{"training.best_metric": "wobble"})
    with pytest.raises(UserError, match="whether a greater 'wobble' is better is not known") as caught:
        prepare(recipe)
    assert "training.greater_is_better=false" in str(caught.value)
    assert not recipe.output_dir.exists()


@pytest.mark.parametrize(
    ("overrides", "tokenizer", "said"),
    [
        ({}, "char", "bleu cuts texts into characters, since the references hold no spaces"),
        ({"task.target": "zh"}, "zh", "bleu cuts texts into tokens of zh, since the target language is zh"),
        ({"evaluation.metrics": ["chrf"], "training.best_metric": "chrf"}, None, "by dev chrf"),
    ],
)
def test_bleu_tells_texts_without_spaces_apart(
    toy: Toy, capsys: pytest.CaptureFixture[str], overrides: dict[str, Any], tokenizer: str | None, said: str
) -> None:
    """The toy's targets have four words each; put together they are one, and 13a would give 0 for all."""
    recipe = toy("text_to_text", "t5", train=32, held_out=8, **{"training.steps": 1}, **overrides)
    for path in Path(str(recipe.data.path)).iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        joined = [row | {"target": row["target"].replace(" ", "")} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in joined))
    run = prepare(recipe)
    shown = " ".join(capsys.readouterr().err.split())
    assert said in shown
    assert ("bleu cuts" in shown) == (tokenizer is not None)
    texts = [EvaluationRecord(number, "", text, text, hidden={"guessed": [1], "labels": [1]})
             for number, text in enumerate(run.examples["dev"]["target"])]  # fmt: skip
    scores = run.task.score(texts, run.context)
    if tokenizer is not None:
        assert f"tok:{tokenizer}|" in scores.signatures["sacrebleu"]
    if tokenizer == "char":
        assert scores.values["bleu"] == pytest.approx(100)


def test_bleu_of_texts_with_spaces_is_the_usual_one(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    run = prepare(toy("text_to_text", "t5", train=32, held_out=8))
    assert run.context.has_words
    assert "bleu cuts" not in capsys.readouterr().err
