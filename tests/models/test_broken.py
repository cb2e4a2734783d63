import pytest

from finetune.errors import UserError
from finetune.models.broken import LONGEST, first_line, one_message

PanicException = type("PanicException", (BaseException,), {})  # as tokenizers' library in Rust raises it


@pytest.mark.parametrize("error", [KeyError("model"), RuntimeError("a\nb"), MemoryError(), PanicException("no entry")])
def test_whatever_is_raised_is_one_message(error: BaseException) -> None:
    expected = f"the model some/name cannot be read[\\s\\S]*{type(error).__name__}: "
    with pytest.raises(UserError, match=expected), one_message("some/name"):
        raise error


@pytest.mark.parametrize("error", [UserError("told before"), KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_fault_of_the_model_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, one_message("some/name"):
        raise error
    assert caught.value is error


def test_a_line_of_readable_length() -> None:
    assert first_line(ValueError(" one \ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 9999))) == LONGEST
