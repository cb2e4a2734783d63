"""One error message for models that cannot be read, whichever exception a library raises."""

from collections.abc import Iterator
from contextlib import contextmanager

from finetune.errors import UserError

LONGEST = 500
"""The length of an exception's message in the error message, in characters."""
RUST_PANIC = "PanicException"
"""The name of the exception that Rust libraries such as tokenizers raise when they panic. It is not a subclass of
`Exception`, and its class cannot be imported."""


@contextmanager
def one_message(name: str, what: str = "model") -> Iterator[None]:
    """Read a stored model inside this block: exceptions that its files cause are raised as `UserError`.

    transformers, tokenizers, peft and PyTorch do not validate the values in a model's files, and raise exceptions of
    many types for values of another type and for files that do not belong together.

    Args:
        name: The folder, or the name on the Hub.
        what: The part that is read, for the message: "model" or "tokenizer".

    Raises:
        UserError: The block raised an exception. A `UserError` of the block is raised unchanged.
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
    """Return the first line of an exception's message, cut to `LONGEST`, or its type where it has no message."""
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:LONGEST] if lines else type(error).__name__
