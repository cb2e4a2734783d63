"""The example of at most five lines of Python that a model card shows."""

import json
import re
from typing import Any

from finetune.hub.run_facts import RunFacts
from finetune.tasks.mask_fields import PREFIX

NAME = re.compile(r'^name = ".*$', re.MULTILINE)
"""The line of the example that names the model, which `renamed` replaces."""


def renamed(card: str, name: str) -> str:
    """Return a card whose example loads the model of the given name."""
    return NAME.sub(f'name = "{name}"', card)


def usage(facts: RunFacts) -> str:
    """Return the example: Python code of at most five lines, which needs only the packages that it imports."""
    name = f"name = {_quoted(str(facts.model.resolve()))}  # this folder, wherever it lies"
    head = facts.recipe.task.head
    has_prompt = bool(getattr(facts.recipe.task, "target_prompt", None))
    if facts.is_adapter or facts.mask_features or has_prompt or not (head.writes_text or head.pipeline):
        return "\n".join(_by_finetune(facts, name))
    return "\n".join((_by_generation if head.writes_text else _by_pipeline)(facts, name))


def _by_pipeline(facts: RunFacts, name: str) -> list[str]:
    options = "" if facts.program.is_standard else ", trust_remote_code=True"
    options += "".join(f', {key}="{value}"' for key, value in facts.task.pipeline_options.items())
    return [
        "from transformers import pipeline",
        name,
        f'model = pipeline("{facts.recipe.task.head.pipeline}", model=name{options})',
        f"print(model({_quoted(facts.task.example_input)}))",
    ]


def _by_generation(facts: RunFacts, name: str) -> list[str]:
    kinds = f"AutoTokenizer, {facts.recipe.task.head.auto_class}"
    search = ", ".join(f"{key}={value}" for key, value in facts.task.generation_options.items())
    options = "" if facts.program.is_standard else ", trust_remote_code=True"
    return [
        f"from transformers import {kinds}",
        name,
        f"tokenizer, model = (kind.from_pretrained(name{options}) for kind in ({kinds}))",
        f'tokens = model.generate(**tokenizer([{_quoted(facts.task.example_input)}], return_tensors="pt"), {search})',
        "print(tokenizer.batch_decode(tokens, skip_special_tokens=True))",
    ]


def _by_finetune(facts: RunFacts, name: str) -> list[str]:
    """Return the example for models that transformers alone cannot run.

    These are adapters, models whose masks read more than the tokens, and models whose outputs begin with a prompt.
    """
    return [
        "from finetune.serve import predict",
        name,
        f"print(predict(name, [{_row(facts)!r}]))",
    ]


def _row(facts: RunFacts) -> dict[str, Any]:
    """Return an example as a row of the data set, with zeros in the columns that only masks read."""
    row: dict[str, Any] = {}
    for field in facts.task.input_fields:
        made_up = field.name.startswith(PREFIX)
        if field.kind == "words":
            words = facts.recipe.task.example.split()
            row[field.column] = [0] * len(words) if made_up else words
        elif field.kind == "spans":  # one span, the first word
            row[field.column] = [[0, 2, 0]]
        else:
            row[field.column] = 0 if made_up else "It works." if row else facts.recipe.task.example
    return row


def _quoted(value: object) -> str:
    """Return a string, or a mapping of strings, as a Python literal with double quotes."""
    return json.dumps(value, ensure_ascii=False)
