"""One message for a model that cannot be read, whatever the library at work raises."""

from collections.abc import Iterator
from contextlib import contextmanager

from finetune.errors import UserError

LONGEST = 500
"""Characters of what an exception says."""
RUST_PANIC = "PanicException"
"""What a library in Rust, such as tokenizers, raises where it gives up: no `Exception`, and not to be imported."""


@contextmanager
def one_message(name: str, what: str = "model") -> Iterator[None]:
    """Read a stored model inside this block; what is wrong with its files becomes a `UserError`.

    transformers, tokenizers, peft and torch take the values of a model's files as they stand, and answer values of
    another type, or files that do not belong together, by exceptions of every kind.

    Args:
        name: The folder or the name on the Hub.
        what: What is read: the model, or its tokenizer.

    Raises:
        UserError: The block raised an exception; a `UserError` passes unchanged.
    """
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != RUST_PANIC:
            raise
        raise UserError(
            f"the {what} of {name} cannot be read" if what != "model" else f"the model {name} cannot be read",
            expected="the files of one model, as save_pretrained wrote them",
            found=f"{type(error).__name__}: {first_line(error)}",
            where=name,
            fix="fetch or copy its files again, or choose another model",
        ) from error


def first_line(error: BaseException) -> str:
    """What an exception says, in one line of a readable length."""
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:LONGEST] if lines else type(error).__name__
