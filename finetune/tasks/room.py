"""Whether the lengths that a recipe allows leave room for text beside special tokens and the prefix."""

from transformers import PreTrainedTokenizerBase

from finetune.data.problems import plural
from finetune.errors import UserError
from finetune.tasks.base import Task


def check_room(task: Task, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse lengths within which nothing of a text is left.

    Args:
        task: Tells the lengths by the recipe's keys.
        tokenizer: Adds the special tokens.

    Raises:
        UserError: A length is used up by special tokens, or by these and the task's prefix.
    """
    is_pair = any(field.name == "text_pair" for field in task.fields)
    special = tokenizer.num_special_tokens_to_add(pair=is_pair)
    prefix = str(getattr(task, "prefix", ""))
    of_prefix = len(tokenizer(prefix, add_special_tokens=False)["input_ids"]) if prefix else 0
    for key, length in task.lengths.items():
        is_input = "target" not in key
        used = special + of_prefix * is_input
        needed = used + 1 + is_pair
        if length < needed:
            beside = f" and {of_prefix} of task.prefix" if of_prefix and is_input else ""
            raise UserError(
                f"{key} leaves no room for text",
                where=key,
                expected=f"{needed} tokens or more: {plural(special, 'special token')}{beside}, and some of the text",
                found=str(length),
                fix=f"{key}=128, say; finetune check shows how long the texts are",
            )
