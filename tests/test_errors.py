"""Messages say what is wrong, what was expected, what was found, where, and how to fix it."""

import signal

import pytest

from finetune.errors import Interrupted, MissingExtra, UserError, UserErrors, nearest, raise_all, single_errors


def test_a_message_has_a_line_for_each_detail() -> None:
    error = UserError("the file is wrong", expected="a table", found="a picture", where="a.csv", fix="name one")
    assert str(error).splitlines() == [
        "the file is wrong",
        "  where:    a.csv",
        "  expected: a table",
        "  found:    a picture",
        "  fix:      name one",
    ]
    assert str(UserError("the file is wrong")) == "the file is wrong"


def test_errors_are_raised_together() -> None:
    first, second = UserError("first"), UserError("second", fix="mend it")
    raise_all([])
    with pytest.raises(UserError) as caught:
        raise_all([first])
    assert caught.value is first
    with pytest.raises(UserErrors) as several:
        raise_all([first, second])
    assert several.value.errors == (first, second)
    assert str(several.value) == f"{first}\n{second}"


def test_errors_that_hold_others_are_taken_apart() -> None:
    first, second, third = UserError("first"), UserError("second"), UserError("third")
    assert single_errors([UserErrors([first, UserErrors([second])]), third]) == [first, second, third]
    assert single_errors([]) == []


def test_a_missing_package_is_named_with_its_extra() -> None:
    assert "pip install 'finetune-masks[peft]'" in str(MissingExtra("adapter.kind=lora", "peft"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_says_how_to_resume(number: int, status: int) -> None:
    interrupted = Interrupted(number, "finetune run resume=runs/a")
    assert interrupted.status == status
    assert str(interrupted).splitlines() == [
        f"{signal.Signals(number).name}: the run is saved; to resume it:",
        "  finetune run resume=runs/a",
    ]


def test_the_nearest_name_is_suggested_if_it_is_near() -> None:
    assert nearest("acuracy", ["loss", "accuracy"]) == "accuracy"
    assert nearest("xyz", ["loss", "accuracy"]) is None
