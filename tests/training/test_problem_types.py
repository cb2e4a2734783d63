"""Several labels an example, numbers, and weighted classes."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig

from finetune import compose
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.training.loop import fit
from finetune.training.run import Run, prepare

Toy = Callable[..., Recipe]
FILLER = ["the", "a", "film", "was", "very", "this", "story", "so", "and", "it"]
TELLING = {"funny": "laughed", "sad": "wept", "long": "slept"}


def several(generator: random.Random) -> dict[str, Any]:
    """A text with a telling word for each of its labels."""
    labels = [label for label in TELLING if generator.random() < 0.4]
    return text_with(generator, [TELLING[label] for label in labels]) | {"label": labels}


def number(generator: random.Random) -> dict[str, Any]:
    """A text with as many great words as half its number says."""
    count = generator.randint(0, 4)
    return text_with(generator, ["great"] * count) | {"label": count / 2}


def skewed(generator: random.Random) -> dict[str, Any]:
    """One text of ten is spam."""
    is_spam = generator.random() < 0.1
    return text_with(generator, ["buy"] if is_spam else []) | {"label": "spam" if is_spam else "ham"}


def text_with(generator: random.Random, words: list[str]) -> dict[str, Any]:
    text = generator.choices(FILLER, k=6) + words
    generator.shuffle(text)
    return {"text": " ".join(text)}


@pytest.fixture
def answers(toy: Toy) -> Callable[..., Recipe]:
    """A recipe over texts with other answers than one class of two."""

    def make(row: Callable[[random.Random], Mapping[str, Any]], size: int = 48, **overrides: Any) -> Recipe:
        recipe = toy("text_classification", "bert", train=8, held_out=8, **{"model.scratch.dropout": 0.0} | overrides)
        generator = random.Random(0)
        for split in ("train", "dev", "test"):
            rows = [row(generator) for _ in range(size if split == "train" else 24)]
            path = Path(str(recipe.data.path)) / f"{split}.jsonl"
            path.write_text("".join(json.dumps(one) + "\n" for one in rows))
        return recipe

    return make


def only_run(recipe: Recipe) -> Path:
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    return folder


def predictions(recipe: Recipe) -> list[dict[str, Any]]:
    lines = (only_run(recipe) / "predictions_test.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_several_labels_are_learned(answers: Callable[..., Recipe], capfd: pytest.CaptureFixture[str]) -> None:
    recipe = answers(several, size=240, **{"training.epochs": 3, "training.learning_rate": 3e-3})
    results = run_recipe(recipe)
    assert set(results) == {"loss", "f1_micro", "f1_macro", "subset_accuracy"}
    assert results["f1_micro"] > 0.7
    assert "the labels are lists: multi label classification" in capfd.readouterr().err
    config = AutoConfig.from_pretrained(only_run(recipe) / "model")
    assert config.problem_type == "multi_label_classification"
    assert [config.id2label[number] for number in range(3)] == sorted(TELLING)
    for line in predictions(recipe):
        sure = [label for label, probability in line["probabilities"].items() if probability >= 0.5]
        assert line["prediction"] == sure
        assert isinstance(line["reference"], list)


def test_a_number_is_learned(answers: Callable[..., Recipe], capfd: pytest.CaptureFixture[str]) -> None:
    recipe = answers(number, size=240, **{"training.epochs": 3, "training.learning_rate": 3e-3})
    results = run_recipe(recipe)
    assert set(results) == {"loss", "mse", "pearsonr", "spearmanr"}
    assert results["loss"] == pytest.approx(results["mse"], rel=1e-4)
    assert results["pearsonr"] > 0.5
    assert "the labels are numbers: regression" in capfd.readouterr().err
    config = AutoConfig.from_pretrained(only_run(recipe) / "model")
    assert (config.problem_type, config.num_labels) == ("regression", 1)
    line = predictions(recipe)[0]
    assert isinstance(line["prediction"], float)
    assert "probabilities" not in line


def test_whole_numbers_are_classes_unless_asked(answers: Callable[..., Recipe]) -> None:
    def stars(generator: random.Random) -> dict[str, Any]:
        return text_with(generator, []) | {"label": generator.randint(1, 5)}

    assert len(prepare(answers(stars)).context.labels or ()) == 5
    run = prepare(answers(stars, **{"task.problem_type": "regression"}))
    assert run.context.labels == ("label",)
    assert run.best_metric == "mse"


def test_texts_are_parted_into_labels(answers: Callable[..., Recipe]) -> None:
    def written(generator: random.Random) -> dict[str, Any]:
        row = several(generator)
        return row | {"label": "|".join(row["label"])}

    asked = {"task.problem_type": "multi_label", "task.label_separator": "|"}
    assert prepare(answers(written, **asked)).context.labels == tuple(sorted(TELLING))


WAYS = ("task.problem_type=regression", "task.problem_type=single_label", "data.function", "by a threshold")
"""What a user whose labels are numbers can do."""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.label_smoothing", 0.1),
        ("training.class_weights", "balanced"),
        ("data.labels", ["neg", "pos"]),
        ("evaluation.baselines", True),
    ],
)
def test_keys_for_classes_are_refused_for_numbers(answers: Callable[..., Recipe], key: str, value: object) -> None:
    with pytest.raises(UserError, match="for classes, and these labels are numbers: regression") as caught:
        prepare(answers(number, **{key: value}))
    assert caught.value.where == key
    for way in WAYS:
        assert way in str(caught.value.fix)


def test_both_ways_are_told_where_numbers_are_found(
    answers: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(answers(number))
    told = " ".join(capsys.readouterr().err.split())
    assert "the labels are numbers: regression, since some have fractions" in told
    for way in WAYS:
        assert way in told
    prepare(answers(number, **{"task.problem_type": "regression"}))
    told = capsys.readouterr().err
    assert "the labels are numbers: regression\n" in told, "asked for"


def test_baselines_are_for_one_class(answers: Callable[..., Recipe]) -> None:
    with pytest.raises(UserError, match="no baselines for this task"):
        prepare(answers(several, **{"evaluation.baselines": True}))


def test_texts_cannot_be_weighted(toy: Toy) -> None:
    with pytest.raises(UserError, match="only classes can be weighted"):
        prepare(toy("text_to_text", "t5", train=8, held_out=4, **{"training.class_weights": "balanced"}))


def test_an_unknown_class_is_told(answers: Callable[..., Recipe]) -> None:
    with pytest.raises(UserError, match="did you mean spam"):
        prepare(answers(skewed, **{"training.class_weights": {"spamm": 2.0}}))


def batch_loss(run: Run, indices: list[int]) -> float:
    (batch,) = run.batches("train", [torch.tensor(indices).numpy()])
    with torch.inference_mode():
        return float(run.task.loss(run.model.train(False), batch, 0.0))


def test_weights_multiply_the_loss_of_their_class(answers: Callable[..., Recipe]) -> None:
    plain, weighted = (prepare(answers(skewed, **{"training.class_weights": asked})) for asked in (None, {"spam": 9.0}))
    labels = plain.examples["train"]["label"]
    ratios = {
        label: batch_loss(weighted, [labels.index(label)]) / batch_loss(plain, [labels.index(label)])
        for label in ("ham", "spam")
    }
    assert ratios["spam"] / ratios["ham"] == pytest.approx(9.0, rel=1e-4)
    count = sum(ratios[label] for label in labels)
    assert count == pytest.approx(len(labels), rel=1e-4)


def test_dev_losses_are_unweighted(answers: Callable[..., Recipe]) -> None:
    from finetune.training.evaluation import evaluate

    losses = [
        evaluate(run, run.model, "dev").loss
        for run in (prepare(answers(skewed, **{"training.class_weights": asked})) for asked in (None, "balanced"))
    ]
    assert losses[0] == losses[1]


def weights_after(recipe: Recipe) -> dict[str, Tensor]:
    return load_file(fit(prepare(recipe)).best_checkpoint / "model.safetensors")


CASES: Mapping[str, tuple[Callable[[random.Random], dict[str, Any]], dict[str, Any]]] = {
    "several": (several, {"training.class_weights": "balanced", "training.label_smoothing": 0.1}),
    "number": (number, {}),
    "skewed": (skewed, {"training.class_weights": "balanced"}),
}


@pytest.mark.parametrize("case", CASES)
def test_accumulating_changes_nothing(answers: Callable[..., Recipe], case: str) -> None:
    row, overrides = CASES[case]
    steps = {"training.steps": 2, "training.eval_every": 2, "training.optimizer": "sgd", "training.learning_rate": 0.1}
    found = []
    for size, accumulation in ((16, 1), (4, 4)):
        split = {"training.batch_size": size, "training.gradient_accumulation": accumulation}
        found.append(weights_after(answers(row, **steps | overrides | split)))
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, rtol=1e-4, atol=1e-6)


def test_word_labels_are_weighted(toy: Toy) -> None:
    recipe = toy("token_classification", "bert", train=40, held_out=8, **{"model.scratch.dropout": 0.0})
    plain = prepare(recipe)
    run = prepare(compose.override(recipe, {"training.class_weights": {"O": 0.1}}))
    (batch,) = run.batches("train", [torch.arange(40).numpy()])
    (same,) = plain.batches("train", [torch.arange(40).numpy()])
    assert batch.weights is not None
    targets = int((batch.label_ids != -100).sum())
    assert float(batch.weights.sum()) == pytest.approx(targets, rel=1e-5)
    with torch.inference_mode():
        losses = [
            float(one.task.loss(one.model.train(False), given, 0.0)) for one, given in ((run, batch), (plain, same))
        ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
