"""An example value for each key of a recipe, for `finetune help` and the page of all keys."""

from collections.abc import Mapping
from typing import Any

from finetune.compose.descriptions import is_kind_of_task
from finetune.compose.recipe_keys import RecipeKey
from finetune.compose.type_words import choices
from finetune.recipe import task_kinds

EXAMPLES: Mapping[str, Any] = {
    "adapter.alpha": 32,
    "adapter.dropout": 0.05,
    "adapter.num_virtual_tokens": 30,
    "adapter.rank": 16,
    "adapter.targets": ["query", "key", "value"],
    "attention.cross.layers": {"-1": "full()"},
    "attention.cross.mask": "window(32)",
    "attention.decoder.layers": {"0-3": "window(32)"},
    "attention.decoder.mask": "causal() & window(64)",
    "attention.encoder.layers": {"0-3": "window(32)", "-1": "full()"},
    "attention.encoder.mask": "window(64) | global_tokens(cls)",
    "data.cache_dir": "/data/downloads",
    "data.column_names": ["text", "label"],
    "data.columns.label": "stars",
    "data.columns.labels": "ner_tags",
    "data.columns.sentence": "sentence_id",
    "data.columns.source": "question",
    "data.columns.target": "answer",
    "data.columns.text": "review",
    "data.columns.text_pair": "hypothesis",
    "data.columns.tokens": "words",
    "data.config": "de-en",
    "data.delimiter": ";",
    "data.dev_path": "dev.csv",
    "data.encoding": "utf-16",
    "data.filter": "stars != 3 and len(review) > 20",
    "data.function": "mine.py:load",
    "data.group_column": "author",
    "data.labels": ["negative", "positive"],
    "data.max_dev_examples": 500,
    "data.max_test_examples": 500,
    "data.max_train_examples": 0.1,
    "data.name": "stanfordnlp/imdb",
    "data.path": "reviews.csv",
    "data.revision": "v2",
    "data.sample": "sentiment",
    "data.sources": [{"path": "a.csv", "weight": 3}, {"path": "b.csv", "weight": 1}],
    "data.sources.columns": {"text": "body", "label": "verdict"},
    "data.sources.weight": 3,
    "data.splits.dev": "dev",
    "data.splits.test": None,
    "data.splits.train": "train_all",
    "data.test_path": "test.csv",
    "evaluation.batch_size": 64,
    "evaluation.metrics": ["accuracy", "matthews_correlation"],
    "evaluation.slices": ["length", "label", "source"],
    "hub.languages": ["de", "en"],
    "hub.license": "apache-2.0",
    "hub.push": "user/name",
    "model.cache_dir": "/data/downloads",
    "model.dropout": 0.2,
    "model.name": "google-bert/bert-base-cased",
    "model.revision": "v2",
    "model.scratch.hidden_size": 384,
    "model.scratch.intermediate_size": 1536,
    "model.scratch.num_heads": 6,
    "model.scratch.num_layers": 3,
    "model.tokenizer": "google-bert/bert-base-cased",
    "name": "my_run",
    "output_dir": "/data/runs",
    "resume": "auto",
    "summary": "Reviews of films",
    "task.label_separator": ";",
    "task.length_penalty": 0.8,
    "task.prefix": "translate English to German: ",
    "task.source": "fr",
    "task.target": "en",
    "task.target_prompt": "In short: ",
    "training.best_metric": "f1",
    "training.class_weights": {"spam": 5},
    "training.ema": 0.999,
    "training.eval_every": 200,
    "training.freeze": ["*.embeddings.*"],
    "training.greater_is_better": True,
    "training.label_smoothing": 0.1,
    "training.layer_decay": 0.9,
    "training.learning_rate": 3e-05,
    "training.patience": 3,
    "training.save_every": 500,
    "training.steps": 1000,
    "training.tokens_per_batch": 4096,
}
"""Values of keys for which none can be made of their types and defaults."""

FILTERS: Mapping[str, str] = {
    "stars != 3": "rows in which the column stars is not 3; text is read as the number that it writes",
    "label == 'spam'": "rows of the class spam: text stands in quotes",
    "label in ['spam', 'ham']": "rows of one of these classes",
    "len(review) > 20 and not review.isupper()": "texts of more than 20 characters that are not all in capitals",
    "'refund' in review.lower() or stars <= 2": "texts with a word in any case, or a low number",
    "review.startswith('Re: ')": "texts that begin so",
    "len(text.split()) <= 100": "texts of at most 100 words",
    "'toxic' in labels": "rows whose list of labels has this one",
    "source != target": "pairs of two columns that differ",
    "translation.de is not None": "a nested column that has a value",
    'row["#1 String"] != ""': "a column whose name is no word of Python",
    "mine.py:keep": "rows for which the function keep of mine.py returns true; its arguments are named as columns",
}
"""Examples of `data.filter`, each with the rows that it keeps."""

FILTER_RULES = (
    "An expression of Python over the names of columns: comparisons, and, or, not, in, is, arithmetic, a if b else c; "
    "numbers, texts in quotes, lists, and parts such as text[:5]. "
    "Functions: len, abs, min, max, sum, any, all, set, int, float, str, round. "
    "Methods of text: startswith, endswith, lower, upper, strip, split, count, find, isascii, isupper, islower, "
    "isdigit, isalpha, isspace, istitle, replace, removeprefix, removesuffix."
)
"""What an expression of `data.filter` may hold."""


def example_of(key: RecipeKey) -> Any:
    """Return an example value of a key: another than its default, where there is another."""
    if is_kind_of_task(key):
        return task_kinds()[1]
    name = key.name.replace("data.sources.", "data.") if key.name not in EXAMPLES else key.name
    if name in EXAMPLES:
        return EXAMPLES[name]
    default = key.field.default
    if isinstance(default, bool):
        return not default
    if named := [one for one in choices(key.annotation) if one != default]:
        return named[0]
    if isinstance(default, int | float):
        return type(default)(default * 2) if default >= 1 else default / 2 or 2
    return default
