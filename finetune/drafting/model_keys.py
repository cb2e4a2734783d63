"""The model and the lengths of a drafted recipe, from the texts that its task reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune.drafting import lengths, names
from finetune.drafting.columns import DataColumns
from finetune.drafting.keys import DraftedKey
from finetune.drafting.languages import TextLanguage, find_language
from finetune.drafting.model_choice import ModelChoice, choose_model, writes_text
from finetune.drafting.word_labels import find_word_columns

_SPECIAL = {"text": 2, "pair": 3, "t5": 1}
_LONG_RATE = {"sample": 1e-4, "scratch": 5e-4, "pretrained": 3e-5}


@dataclass(frozen=True)
class ReadTexts:
    """The texts that a task reads.

    Args:
        kind: The task.
        texts: The inputs: a column, or two of a pair; and in text to text the outputs behind the inputs.
        source: The language of the inputs.
        target: The language of the outputs; None where there are none.
        codes: The languages of a translation; empty texts for other tasks.
        summarises: Whether outputs are summaries, by their column's name.
    """

    kind: str
    texts: tuple[Sequence[Any], ...]
    source: TextLanguage
    target: TextLanguage | None = None
    codes: tuple[str, str] = ("", "")
    summarises: bool = False


def reads_of(keys: Sequence[DraftedKey], table: DataColumns) -> ReadTexts:
    """Return the texts that a task with these keys reads."""
    values = {one.key: one.value for one in keys} | {
        key: value for key, value in table.given.items() if key.startswith("task.")
    }
    kind = str(values["task.kind"])
    if kind == "token_classification":
        found = find_word_columns(table)
        texts: Sequence[Any] = found.texts if found is not None else ()
        return ReadTexts(kind, (texts,), find_language(texts))
    if not writes_text(kind):
        columns = [values[key] for key in ("data.columns.text", "data.columns.text_pair") if key in values]
        read = tuple(table.columns[column] for column in columns)
        return ReadTexts(kind, read, find_language(table.texts(columns[0])))
    codes = (str(values.get("task.source") or ""), str(values.get("task.target") or ""))
    codes = codes if kind == "translation" else ("", "")
    source, target = (
        values.get(f"data.columns.{role}") or code for role, code in zip(("source", "target"), codes, strict=True)
    )
    both = (table.columns[source], table.columns[target])
    languages = tuple(find_language(table.texts(column)) for column in (source, target))
    is_summary = names.rank(target, names.SUMMARIES) is not None
    return ReadTexts(kind, both, languages[0], languages[1], codes, is_summary)


@dataclass(frozen=True)
class DraftedModel(ModelChoice):
    """A model, with what the user has given of it."""

    from_scratch: bool = False


def model_of(read: ReadTexts, given: Mapping[str, Any], *, offline: bool) -> DraftedModel:
    """Return the model for the texts: the user's, where one is given, else one that fits."""
    chosen = choose_model(read.kind, read.source, read.target, read.codes, offline=offline, summarises=read.summarises)
    own = {key: value for key, value in given.items() if key == "model" or key.startswith("model.")}
    start = [key for key, value in own.items() if value is not None and key.split(".")[1:2] != ["revision"]]
    if not start:
        is_scratch = any(one.key.startswith("model.scratch") for one in chosen.keys)
        return DraftedModel(**vars(chosen), from_scratch=is_scratch)
    is_scratch = any("scratch" in key for key in start) or (
        isinstance(own.get("model"), dict) and "scratch" in own["model"]
    )
    name = own.get("model.name")
    rates = _LONG_RATE["scratch" if is_scratch else "sample" if "model.sample" in own else "pretrained"]
    rate = chosen.learning_rate if writes_text(read.kind) and not is_scratch else rates
    kept = replace(chosen, keys=(), hub_name=name if isinstance(name, str) else None, folder=_folder(name), prefix=None)
    kept = replace(kept, learning_rate=rate, training=() if not is_scratch else chosen.training)
    return DraftedModel(**vars(kept), from_scratch=is_scratch)


def _folder(name: object) -> Path | None:
    return Path(name) if isinstance(name, str) and Path(name).is_dir() else None


def length_keys(read: ReadTexts, model: ModelChoice) -> list[DraftedKey]:
    """Return the keys of the longest inputs, and of the longest outputs where there are some."""
    tokenizer = lengths.local_tokenizer(model.folder, None if model.folder else model.hub_name)
    if not writes_text(read.kind):
        special = _SPECIAL["pair" if len(read.texts) > 1 else "text"]
        return [_length("task.max_length", read.texts, read.source, special, model, tokenizer)]
    prefix = 0 if model.prefix is None else len(str(model.prefix.value).split()) * 2
    assert read.target is not None
    source, target = read.texts
    return [
        _length("task.max_source_length", (source,), read.source, _SPECIAL["t5"] + prefix, model, tokenizer),
        _length("task.max_target_length", (target,), read.target, _SPECIAL["t5"], model, tokenizer),
    ]


def _length(
    key: str,
    columns: Sequence[Sequence[Any]],
    language: TextLanguage,
    special: int,
    model: ModelChoice,
    tokenizer: lengths.CountTokens | None,
) -> DraftedKey:
    count = tokenizer or lengths.estimator(language)
    found = lengths.measured(columns, count)
    limit, longest = lengths.limit(found, special, model.longest)
    unit = "character" if language.script in lengths.CHARACTERS else "word"
    about = "" if tokenizer else "about "
    how = "" if tokenizer else f", estimated as {lengths.factor(language):g} a {unit}; finetune check counts them"
    beyond = sum(length + special > limit for length in found) / max(len(found), 1)
    share = f"{beyond:.1%} are longer" if beyond else "none is longer"
    reason = f"{share}, the longest {about}{longest:,} tokens{how}"
    doubt = f"the model reads {model.longest} tokens, and {beyond:.0%} of the texts are longer" if beyond > 0.02 else ""
    return DraftedKey(key, limit, reason, doubt)
