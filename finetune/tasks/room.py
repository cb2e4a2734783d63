"""Whether the lengths that a recipe allows leave room for text beside special tokens, prefix and prompt."""

from finetune import models
from finetune.data.messages import plural
from finetune.errors import UserError
from finetune.tasks.base import Task
from finetune.tasks.context import TaskContext
from finetune.tasks.special_tokens import marks
from finetune.tasks.text_to_text import TextToTextTask


def check_room(task: Task, context: TaskContext) -> None:
    """Raise an error where a length leaves no room for text.

    Args:
        task: The task, which has the lengths.
        context: The context, which has the tokenizer and the model's configuration.

    Raises:
        UserError: A length is used up by special tokens, or by these and the task's prefix; or the target's prompt
            holds special tokens or is longer than the model's positions allow.
    """
    tokenizer = context.tokenizer
    is_pair = any(field.name == "text_pair" for field in task.fields)
    special = tokenizer.num_special_tokens_to_add(pair=is_pair)
    prefix = str(getattr(task, "prefix", ""))
    prefix_length = len(tokenizer(prefix, add_special_tokens=False)["input_ids"]) if prefix else 0
    for key, length in task.lengths.items():
        is_input = "target" not in key
        used = special + prefix_length * is_input
        needed = used + 1 + is_pair
        if length < needed:
            beside = f" and {prefix_length} of task.prefix" if prefix_length and is_input else ""
            raise UserError(
                f"{key} leaves no room for text",
                where=key,
                expected=f"{needed} tokens or more: {plural(special, 'special token')}{beside}, and some of the text",
                found=str(length),
                fix=f"{key}=128, say; finetune check shows how long the texts are",
            )
    if isinstance(task, TextToTextTask):
        _check_prompt(task, context)


def _check_prompt(task: TextToTextTask, context: TaskContext) -> None:
    prompt = task.prompt_ids(context.tokenizer)
    where = f"task.target_prompt={task.config.target_prompt!r}"
    if prompt:
        models.check_length(context.config, len(prompt) + task.config.max_target_length, "task.max_target_length")
    names = marks(context.tokenizer)
    if odd := [names[token] for token in prompt if token in names]:
        raise UserError(f"the target's prompt holds the special token {odd[0]!r}", where=where, fix="leave it out")
