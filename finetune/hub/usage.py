"""Five lines that use a model, as its card shows them."""

import re
from typing import Any

from finetune.hub.run_facts import RunFacts
from finetune.tasks.mask_columns import PREFIX

NAME = re.compile(r'^name = ".*"', re.MULTILINE)
"""The line that says which model; `renamed` writes another."""
EXAMPLES = {
    "text_classification": "It works as well as it should.",
    "token_classification": "Ada Lovelace lived in London.",
    "text_to_text": "It works as well as it should.",
}


def renamed(card: str, name: str) -> str:
    """A card whose five lines load the model of that name."""
    return NAME.sub(f'name = "{name}"', card)


def usage(facts: RunFacts) -> str:
    """Python, at most five lines, that runs once the packages which it imports are there."""
    name = f'name = "{facts.model}"'
    task: Any = facts.recipe.task
    if facts.is_adapter or facts.mask_features or getattr(task, "target_prompt", None):
        return "\n".join(_by_finetune(facts, name))
    if facts.task.head == "text_to_text":
        return "\n".join(_by_generation(facts, name))
    return "\n".join(_by_pipeline(facts, name))


def _by_pipeline(facts: RunFacts, name: str) -> list[str]:
    task = facts.task.head.replace("_", "-")
    options = "" if facts.program.is_standard else ", trust_remote_code=True"
    if task == "token-classification":
        options += ', aggregation_strategy="simple"'
    given = f'"{_example(facts)}"'
    if facts.recipe.data.columns.text_pair and task == "text-classification":
        given = f'{{"text": {given}, "text_pair": "It works."}}'
    return [
        "from transformers import pipeline",
        name,
        f'model = pipeline("{task}", model=name{options})',
        f"print(model({given}))",
    ]


def _by_generation(facts: RunFacts, name: str) -> list[str]:
    kinds = "AutoTokenizer, AutoModelForSeq2SeqLM"
    options = "" if facts.program.is_standard else ", trust_remote_code=True"
    return [
        f"from transformers import {kinds}",
        name,
        f"tokenizer, model = (kind.from_pretrained(name{options}) for kind in ({kinds}))",
        f'tokens = model.generate(**tokenizer(["{_example(facts)}"], return_tensors="pt"), {_search(facts)})',
        "print(tokenizer.batch_decode(tokens, skip_special_tokens=True))",
    ]


def _search(facts: RunFacts) -> str:
    """The search by which the run was scored."""
    task: Any = facts.recipe.task
    penalty = "" if task.length_penalty == 1.0 else f", length_penalty={task.length_penalty}"
    return f"num_beams={task.num_beams}{penalty}, max_new_tokens={task.max_target_length}"


def _by_finetune(facts: RunFacts, name: str) -> list[str]:
    """For adapters, masks that read more of an example than its tokens, and outputs that begin with a prompt."""
    return [
        "from finetune.serve import predict",
        name,
        f"print(predict(name, [{_row(facts)!r}]))",
    ]


def _row(facts: RunFacts) -> dict[str, Any]:
    """An example as a row of the data set, with what masks read of it as zeros."""
    row: dict[str, Any] = {}
    for field in facts.task.input_fields:
        made_up = field.name.startswith(PREFIX)
        if field.kind == "words":
            words = EXAMPLES[facts.task.head].split()
            row[field.column] = [0] * len(words) if made_up else words
        else:
            row[field.column] = 0 if made_up else "It works." if row else EXAMPLES[facts.task.head]
    return row


def _example(facts: RunFacts) -> str:
    return str(getattr(facts.task, "prefix", "")) + EXAMPLES[facts.task.head]
