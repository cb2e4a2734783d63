"""Five lines that use a model, as its card shows them."""

import re

from finetune.hub.run_facts import RunFacts

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
    if facts.is_adapter or facts.mask_features:
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
    options = "" if facts.program.is_standard else ", trust_remote_code=True"
    return [
        "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
        name,
        f"tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModelForSeq2SeqLM.from_pretrained(name{options})",
        f'tokens = model.generate(**tokenizer(["{_example(facts)}"], return_tensors="pt"), max_new_tokens=64)',
        "print(tokenizer.batch_decode(tokens, skip_special_tokens=True))",
    ]


def _by_finetune(facts: RunFacts, name: str) -> list[str]:
    """For adapters, and masks that read more of an example than its tokens; that is given as zeros here."""
    values = facts.program.needs.values
    given = [
        f'"{feature}": torch.zeros({"1" if feature in values else "tokens.input_ids.shape"}, dtype=torch.long)'
        for feature in facts.mask_features
    ]
    features = f", mask_features={{{', '.join(given)}}}" if given else ""
    call = (
        f"pretrained.generate(model, **tokens{features}, max_new_tokens=64)"
        if facts.task.head == "text_to_text"
        else f"model(**tokens{features}).logits"
    )
    return [
        "import finetune, torch; from finetune.attention import pretrained",
        name,
        "model, tokenizer, masks = finetune.load(name)",
        f'tokens = tokenizer(["{_example(facts)}"], return_tensors="pt")',
        f"print({call})",
    ]


def _example(facts: RunFacts) -> str:
    return str(getattr(facts.task, "prefix", "")) + EXAMPLES[facts.task.head]
