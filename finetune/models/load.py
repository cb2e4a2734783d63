"""Loading the tokenizer and the model of a recipe."""

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
    """Return the tokenizer of a recipe: the model's own, another one by name or folder, or one trained on `texts`.

    Args:
        model: The recipe's model section.
        texts: A function that returns the training texts; it is only called where a tokenizer is trained.
        split_words: Whether the tokenizer will be given lists of words (is_split_into_words), as in token
            classification.

    Raises:
        UserError: There is no such tokenizer, it has no vocabulary, it does not map tokens to words, or it joins words
            that are given one by one.
    """
    if model.scratch is not None and model.tokenizer is None:
        return train_tokenizer(model.scratch, texts())
    source = tokenizer_source(model)
    with one_message(source.path, "tokenizer"), quiet(), source.access():
        tokenizer = _checked(_from_pretrained(source), source)
        if split_words and not _keeps_words_apart(tokenizer):
            # Tokenizers such as RoBERTa's mark the space before a word, which single words lack without this option.
            tokenizer = _checked(_from_pretrained(source, add_prefix_space=True), source)
            if not _keeps_words_apart(tokenizer):
                raise _unusable(source, "joins words that are given one by one", "no mark between two words")
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
    """Return the model of a recipe, in float32, on the CPU and in evaluation mode.

    For text to text, an encoder becomes both encoder and decoder of a `transformers.EncoderDecoderModel`. A
    classification head of the checkpoint is kept where its labels are the same in the same order; otherwise the head is
    new.

    Args:
        model: The recipe's model section.
        head: The name of the head.
        tokenizer: The tokenizer, as `load_tokenizer` returns it.
        labels: The classes in order, which are stored in the configuration; None for text to text.
        seed: The seed of new weights. The global random generators keep their state.
        problem_type: The `problem_type` of transformers for text classification. The default is that of the checkpoint.
        is_trained: Whether the model is used for prediction without training. The checkpoint, with its adapter, must
            then hold every weight of the architecture, the head's included, in its shape and finite, and have the same
            labels in the same order; no weight is drawn at random.

    Raises:
        UserError: The model cannot be loaded, cannot have the head, is incomplete, or does not fit the tokenizer.
        ValueError: `labels` are not given exactly where the head has labels, or a model from scratch `is_trained`.
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
            raise  # `source.access` reports failures of the Hub
        is_missing = source.is_folder and not (Path(source.path) / "tokenizer.json").is_file()
        found = source.files() if is_missing else first_line(error)
        raise _unusable(source, "cannot be read", found) from error


def _checked(tokenizer: PreTrainedTokenizerBase, source: PretrainedSource) -> PreTrainedTokenizerFast:
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise _unusable(source, "does not map tokens to words", f"{type(tokenizer).__name__}, a slow one")
    # transformers returns a tokenizer that has special tokens only where it finds no file.
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
