"""The two entrances: a recipe's tokenizer and its model."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from finetune import recipe
from finetune.errors import UserError
from finetune.models.broken import first_line, one_message
from finetune.models.families import Head
from finetune.models.pretrained import load_pretrained
from finetune.models.quiet import quiet, seeded
from finetune.models.scratch import new_model
from finetune.models.scratch_tokenizer import train_tokenizer
from finetune.models.source import PretrainedSource, tokenizer_source

TRIAL = "A text, with 1 number and signs that few vocabularies hold: \u4e2d \U0001f600"


def load_tokenizer(
    model: recipe.Model, texts: Callable[[], Iterable[str]], *, split_words: bool = False
) -> PreTrainedTokenizerFast:
    """The tokenizer that `model` asks for: its own, another by name or folder, or one trained on `texts`.

    Args:
        model: The recipe's model.
        texts: Gives the training data; called only where a tokenizer is trained.
        split_words: The tokenizer will be given single words (is_split_into_words), as token classification does.

    Raises:
        UserError: There is no such tokenizer, it has no vocabulary, it cannot tell which word a token is from, or it
            would glue single words together.
    """
    if model.scratch is not None and model.tokenizer is None:
        return train_tokenizer(model.scratch, texts())
    source = tokenizer_source(model)
    with one_message(source.path, "tokenizer"), quiet(), source.access():
        tokenizer = _checked(_from_pretrained(source), source)
        if split_words and not _keeps_words_apart(tokenizer):
            # RoBERTa's way of marking that a space comes before a word that was given without one.
            tokenizer = _checked(_from_pretrained(source, add_prefix_space=True), source)
            if not _keeps_words_apart(tokenizer):
                raise _unusable(source, "glues single words together", "no mark between two words")
    return tokenizer


def load_model(
    model: recipe.Model,
    head: Head,
    tokenizer: PreTrainedTokenizerBase,
    *,
    labels: Sequence[str] | None,
    seed: int,
    problem_type: str | None = None,
    is_trained: bool = False,
) -> PreTrainedModel:
    """The model that `model` asks for, in float32 on the CPU and in evaluation mode.

    An encoder asked for text to text becomes encoder and decoder of a `transformers.EncoderDecoderModel`. A
    classification head that the checkpoint has for the same labels in the same order is kept; any other is new.

    Args:
        model: The recipe's model.
        head: What is put on top.
        tokenizer: What `load_tokenizer` gave.
        labels: The classes in order, stored in the configuration; None for text to text.
        seed: Fixes weights that no checkpoint gives. The global random generators are left as they were.
        problem_type: transformers' name of what a text classifier answers; the checkpoint's own where not given.
        is_trained: Whether the model is to answer as it is. Its checkpoint, with its adapter, must then give every
            weight of the architecture in its shape and as a finite number, the head's among them, and name the same
            labels in the same order; nothing is drawn at random.

    Raises:
        UserError: The model cannot be had, cannot have the head, is incomplete, or does not fit the tokenizer.
    """
    if is_trained and model.scratch is not None:
        raise ValueError("a model from scratch is not trained")
    if (labels is None) == recipe.find_head(head).has_labels:
        raise ValueError("labels are for the heads that classify, and needed there")
    if model.scratch is not None:
        with quiet(), seeded(seed):
            return new_model(model.scratch, head, tokenizer, labels, model.dropout, problem_type)
    with one_message(model.description), quiet(), seeded(seed):
        return load_pretrained(model, head, tokenizer, labels, problem_type, is_trained=is_trained)


def _from_pretrained(source: PretrainedSource, **options: bool) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(source.path, **source.options, **options)
    except Exception as error:  # transformers and tokenizers raise exceptions of every kind for files of another form
        if isinstance(error, OSError) and not source.is_folder:
            raise  # the Hub's affair
        is_missing = source.is_folder and not (Path(source.path) / "tokenizer.json").is_file()
        found = source.files() if is_missing else first_line(error)
        raise _unusable(source, "cannot be read", found) from error


def _checked(tokenizer: PreTrainedTokenizerBase, source: PretrainedSource) -> PreTrainedTokenizerFast:
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise _unusable(source, "cannot tell which word a token is from", f"{type(tokenizer).__name__}, a slow one")
    # transformers makes up a tokenizer of special tokens alone where it finds no file.
    special = len(tokenizer.all_special_tokens)
    if len(tokenizer) <= special + 1:
        raise _unusable(source, "has no vocabulary", f"{special} special tokens and nothing else")
    _try(tokenizer, source)
    return tokenizer


def _try(tokenizer: PreTrainedTokenizerFast, source: PretrainedSource) -> None:
    """Encode a text and a pair of texts: parts of a tokenizer that do not go together fail only then.

    Raises:
        UserError: They cannot be encoded.
    """
    names = tokenizer.model_input_names
    if not (isinstance(names, list | tuple) and "input_ids" in names and all(isinstance(name, str) for name in names)):
        raise _unusable(source, "does not give input_ids", f"model_input_names {names!r}")
    tokenizer([TRIAL])
    tokenizer([TRIAL], [TRIAL])


def _keeps_words_apart(tokenizer: PreTrainedTokenizerFast) -> bool:
    two_words = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)
    return len(str(tokenizer.decode(two_words["input_ids"])).split()) == 2


def _unusable(source: PretrainedSource, problem: str, found: str) -> UserError:
    return UserError(
        f"the tokenizer of {source.path} {problem}",
        expected="a fast tokenizer (tokenizer.json)",
        found=found,
        where=source.key,
        fix="name another by model.tokenizer; sentencepiece models (*.model) also need: pip install protobuf",
    )
