"""Names of special tokens in texts, such as [SEP], which a tokenizer converts to the special tokens."""

from collections import Counter
from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from finetune.errors import UserError

_ROLES = ("eos", "bos", "pad", "cls", "sep")


def marks(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Return the names of the tokens that begin, end, separate and pad texts, by their ids."""
    named = {getattr(tokenizer, f"{role}_token_id"): getattr(tokenizer, f"{role}_token") for role in _ROLES}
    return {number: str(name) for number, name in named.items() if number is not None}


def refuse_marks(
    noun: str, rows: Sequence[Sequence[int]], usual: Sequence[int], tokens: Mapping[int, str], numbers: Sequence[int]
) -> None:
    """Raise an error where a text holds the name of a special token that the tokenizer adds itself.

    Args:
        noun: What the message calls a text: "text" or "target".
        rows: The token ids of each text.
        usual: The token ids of an ordinary text, which has each special token as often as the tokenizer adds it.
        tokens: The names of the special tokens, by their ids.
        numbers: The number of each text's example, for the message.

    Raises:
        UserError: One of the special tokens occurs in a text more often than in the ordinary one.
    """
    most = Counter(usual)
    odd = [
        (number, tokens[token])
        for number, row in zip(numbers, rows, strict=True)
        for token in tokens.keys() & set(row)
        if row.count(token) > most[token]
    ]
    if odd:
        number, name = odd[0]
        raise UserError(
            f"a {noun} holds {name!r}, which the tokenizer takes for a special token and not for text",
            where=f"example {number} of its split (counted from 0), of {len({one for one, _ in odd}):,} such examples",
            fix=f"remove it from the {noun}, or leave such rows out by data.filter",
        )
