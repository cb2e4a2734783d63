"""`finetune check`: what it finds, what it measures, and how it ends."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finetune import cli
from finetune.checking import check_recipe, trial
from finetune.compose import compose
from finetune.recipe import Recipe
from tests.checking.files import SCRATCH, check_file, clean, problems, write

PHRASEBANK = Path(__file__).parents[3] / "shared" / "data" / "financial_phrasebank" / "Sentences_50Agree.txt"


def test_a_dirty_file_is_told_in_full_and_tried_all_the_same(tmp_path: Path) -> None:
    dirt = [
        ("good film number 1", "good"),
        ("bad film number 2", "good"),
        ("naÃ¯ve", "good"),
        ("lost \ufffd", "bad"),
        ("rung \x07", "bad"),
    ]
    report = check_file(write(tmp_path / "my.csv", clean() + dirt), "task.max_length=5", "seed=1")
    assert report.errors == []
    told = problems(report.warnings)
    for sign in (
        "byte order mark (BOM)",
        "2 duplicates",
        "1 conflict",
        "mojibake",
        "replacement characters",
        "control characters",
        "inputs are cut at 5 tokens",
    ):
        assert sign in told
    assert f"{tmp_path / 'my.csv'}, lines 62, 63" in told, "the lines of the duplicates"
    assert sum(report.rows.values()) == len(clean() + dirt)
    assert report.trial is not None
    assert np.isfinite(report.trial.loss)
    assert report.trial.examples == 32
    assert min(report.trial.memory, report.trial.epoch_seconds, report.trial.dev_seconds) > 0


def test_all_errors_come_at_once_those_of_data_and_of_model(tmp_path: Path) -> None:
    path = write(tmp_path / "my.csv", [*clean(), ("", "good"), ("no label", ""), ("good film number 1", "bad")])
    words = ["recipe=sst2", f"data.path={path}", "model.name=/nothing/here", "evaluation.metrics=[acuracy]"]
    report = check_recipe(compose(words))
    told = problems(report.errors)
    for sign in ("1 row without text", "1 row without a label", "there is no folder /nothing", "the metric acuracy"):
        assert told.count(sign) == 1
    assert "1 conflict" in problems(report.warnings), "the rest is looked at all the same"
    assert report.trial is None


def test_labels_that_look_alike_are_told_once(tmp_path: Path) -> None:
    path = write(tmp_path / "my.csv", [*clean(), ("great film", "Good")])
    assert problems(check_file(path).warnings).count("case") == 1
    write(path, [*clean(), ("great film", "Good"), ("", "good")])
    assert problems(check_file(path).warnings).count("case") == 1, "where a row is refused as well"
    declared = check_file(write(path, [*clean(), ("great film", "Good")]), "data.labels=[good,bad,Good]")
    assert "case" not in problems(declared.warnings), "all of the declared classes are meant"


def test_data_that_are_not_there(tmp_path: Path) -> None:
    report = check_file(tmp_path / "none.csv")
    assert "there is no file" in problems(report.errors)
    assert report.rows == {}


def test_the_command_ends_with_0_or_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["finetune", "check", "recipe=sst2", *SCRATCH, *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    monkeypatch.setattr(trial, "_SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)
    assert status(f"data.path={write(tmp_path / 'my.csv', clean())}") == 0
    shown = capsys.readouterr()
    for sign in ("train", "good", "50.0%", "task.max_length=128", "largest batch", "an epoch of", "GiB", "0 errors"):
        assert sign in shown.out
    assert [path.name for path in tmp_path.iterdir()] == ["my.csv"], "no run is left behind"
    assert status(f"data.path={write(tmp_path / 'my.csv', [*clean(), ('', 'good')])}") == 2
    assert "error: 1 row without text" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "architecture"), [("token_classification", "bert"), ("text_to_text", "t5")])
def test_other_tasks_are_looked_at_too(
    kind: str, architecture: str, toy: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_SECONDS", 0.1)
    report = check_recipe(toy(kind, architecture, train=40, held_out=8))  # type: ignore[arg-type]
    assert report.errors == []
    assert report.trial is not None
    keys = 1 if kind == "token_classification" else 2
    assert len(report.lengths) == 3 * keys
    assert bool(report.labels) == (kind == "token_classification")


@pytest.mark.skipif(not PHRASEBANK.is_file(), reason="the published file is not beside the checkout")
def test_the_dirt_of_the_financial_phrasebank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_SECONDS", 0.1)
    options = ["data.format=tsv", "data.delimiter='@'", "data.column_names=[sentence, label]"]
    report = check_file(PHRASEBANK, *options)
    assert report.errors == []
    told = problems(report.warnings)
    for sign in ("byte order mark (BOM)", "8 duplicates", "2 conflicts", "'Seppälä'", "leakage"):
        assert sign in told
    assert sum(report.rows.values()) == 4846


@pytest.mark.parametrize(("first", "second", "counted"), [("1.5", "2.5", False), ("a,b", "b,c", True)])
def test_scores_and_lists_of_labels_are_looked_at_too(first: str, second: str, counted: bool, tmp_path: Path) -> None:
    labels = [(f"text {number}", first if number % 2 else second) for number in range(40)]
    path = write(tmp_path / "my.csv", [*labels, ("text 1", second)])
    multiple = ["task.problem_type=multi_label"] if counted else []
    report = check_file(path, *multiple)
    assert report.errors == []
    assert "1 conflict" in problems(report.warnings)
    assert bool(report.labels) == counted
    if counted:
        assert set(report.labels["train"]) == {"a", "b", "c"}


def test_every_source_is_looked_at(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", [*clean(), ("good film number 1", "good")])
    second = write(tmp_path / "b.csv", [(f"x{text}", label) for text, label in clean()] + [("naÃ¯ve", "good")])
    sources = f"data.sources=[{{path: '{first}', weight: 1}}, {{path: '{second}', weight: 2}}]"
    report = check_recipe(compose(["recipe=sst2", *SCRATCH, sources]))
    assert report.errors == []
    told = problems(report.warnings)
    assert told.count("byte order mark (BOM)") == 2
    assert "a.csv, line 62" in told
    assert "b.csv, line 62" in told


def test_masks_are_followed_through_the_layers(toy: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_SECONDS", 0.1)
    hidden = toy("text_classification", "bert", train=40, held_out=8, **{"attention.encoder": "blocks(2)"})
    report = check_recipe(hidden)
    assert report.errors == []
    assert "[CLS] reaches 2 of " in problems(report.warnings)
    leaky = toy("text_to_text", "t5", train=40, held_out=8, **{"attention.decoder": "causal() | prefix(8)"})
    assert "the decoder can see the labels that it is to predict" in problems(check_recipe(leaky).errors)


def test_what_a_small_and_skewed_file_means_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_SECONDS", 0.1)
    labels = ["pos" if number % 20 else "neg" for number in range(80)]
    labels[3] = "Pos"
    rows = [(f"{'long ' * 30}{label} text number {number}", label) for number, label in enumerate(labels)]
    lengths = ["task.max_length=16", "model.scratch.max_positions=20", "data.labels=[neg, pos, Pos]"]
    told = problems(check_file(write(tmp_path / "my.csv", rows), *lengths).warnings)
    for sign in (
        "the classes are skewed",
        "an epoch has only 3 steps of the optimizer",
        "dev has only ",
        "inputs are cut at 16 tokens: 100.0% of train",
        "task.max_length=20 is the longest that the model reads",
    ):
        assert sign in told


def test_a_column_of_slices_that_is_not_there(tmp_path: Path) -> None:
    report = check_file(write(tmp_path / "my.csv", clean()), "evaluation.slices=[author]")
    assert "author" in problems(report.errors)
