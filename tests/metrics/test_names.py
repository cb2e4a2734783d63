"""Names that can be no metric are refused with what is wrong, before anything is fetched or stored."""

from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.metrics import check_metric
from finetune.metrics.names import check_name, suggestion


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.py").touch()
    (tmp_path / "notes.txt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/etc/passwd", "a file that is no Python script"),
        ("notes.txt", "a file that is no Python script"),
        ("./empty", "a folder without empty.py"),
        ("/etc", "a folder without etc.py"),
        ("./nothing", "no such file or folder"),
        ("nothing.py", "no such file or folder"),
        ("a/b/c", "no such file or folder"),
        ("accuracy,mse", "2 names in one text"),
        (" ", "no name"),
        ("a\0b", "a name with a NUL character"),
        ("a" * 5000, "a name of more characters than a file can have"),
    ],
)
def test_names_that_can_be_no_metric(name: str, found: str) -> None:
    with pytest.raises(UserError, match="is not a metric") as caught:
        check_metric([name])
    assert caught.value.found == found
    assert "one of accuracy, " in str(caught.value.expected)
    assert caught.value.where == f"evaluation.metrics={name}"
    assert "HF_HOME" not in str(caught.value)


def test_a_folder_of_the_name_of_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise FileNotFoundError("Couldn't find a module script at empty/empty.py")

    monkeypatch.setattr("evaluate.load", fail)
    with pytest.raises(UserError, match="empty is not a metric") as caught:
        check_metric(["empty"])
    assert "HF_HOME" not in str(caught.value)


@pytest.mark.parametrize("name", ["./own", "own/own.py", "bleu", "owner/metric", "empty"])
def test_names_that_can_be_one(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("acuracy", "evaluation.metrics=[accuracy]"),
        ("./accuracy.py", "evaluation.metrics=[accuracy]"),
        ("bleu", "evaluation.metrics=[sacrebleu]"),
        ("accuracy,mse", "several are written in brackets: evaluation.metrics=[accuracy,mse]"),
        ("zzz", None),
    ],
)
def test_what_may_be_meant(name: str, fix: str | None) -> None:
    assert suggestion(name) == fix
