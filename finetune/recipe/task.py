"""The recipe's `task`: what the model learns. Here are the sections of the tasks that come with finetune."""

from typing import Annotated, ClassVar, Literal

from finetune.recipe.base import Count, CountOrZero, InnerShare, in_range, whole_numbers
from finetune.recipe.head import SEQUENCE_HEAD, TEXT_HEAD, TOKEN_HEAD, ModelHead
from finetune.recipe.task_registry import TaskSection, register_task

BeamCount = Annotated[int, whole_numbers(1, 1000)]
"""A number of beams of a search."""

_SENTENCE = "It works as well as it should."


@register_task
class TextClassification(TaskSection):
    """An answer for each text or pair of texts: one class, any number of labels, or a number."""

    implementation: ClassVar[str] = "finetune.tasks.text_classification:TextClassificationTask"
    fields_function: ClassVar[str] = "finetune.tasks.fields:text_classification"
    head: ClassVar[ModelHead] = SEQUENCE_HEAD
    pipeline_tag: ClassVar[str] = "text-classification"
    example: ClassVar[str] = _SENTENCE
    kind: Literal["text_classification"] = "text_classification"
    max_length: Count = 128
    """The number of tokens to which each input is cut, special tokens included. A note counts the inputs that are
    cut."""
    problem_type: Literal["auto", "single_label", "multi_label", "regression"] = "auto"
    """What the label column holds: one class, any number of labels, or a number to predict. auto means multi_label
    where the column holds lists, regression where it holds numbers of which one is fractional, else single_label."""
    label_separator: str = ","
    """The text between the labels of an example that are written as one text, with problem_type=multi_label."""
    threshold: InnerShare = 0.5
    """The probability from which on a label is predicted, with problem_type=multi_label."""


@register_task
class TokenClassification(TaskSection):
    """One label for each word."""

    implementation: ClassVar[str] = "finetune.tasks.token_classification:TokenClassificationTask"
    fields_function: ClassVar[str] = "finetune.tasks.fields:token_classification"
    head: ClassVar[ModelHead] = TOKEN_HEAD
    pipeline_tag: ClassVar[str] = "token-classification"
    example: ClassVar[str] = "Ada Lovelace lived in London."
    kind: Literal["token_classification"] = "token_classification"
    scheme: Literal[
        "auto", "iob1", "iob2", "ioe1", "ioe2", "bios", "bioe", "iobes", "bmes", "bilou", "bmewo", "plain"
    ] = "auto"
    """The label scheme, by which labels mark entities. auto determines it from the labels, with a note. bmes, bilou and
    bmewo are iobes with other letters; bios has no label for the end of an entity, bioe none for a single word. Labels
    can be spelled B-PER, B_PER, PER-B, PER_B or B. With plain, each label is a class of words and marks no entity."""
    max_length: Count = 128
    """The number of tokens of one window, special tokens included. Longer sentences are read in several windows."""
    stride: CountOrZero = 32
    """The number of tokens that neighbouring windows share as context."""


@register_task
class TextToText(TaskSection):
    """An output text for each input text."""

    implementation: ClassVar[str] = "finetune.tasks.text_to_text:TextToTextTask"
    fields_function: ClassVar[str] = "finetune.tasks.fields:text_to_text"
    head: ClassVar[ModelHead] = TEXT_HEAD
    pipeline_tag: ClassVar[str] = "text2text-generation"
    example: ClassVar[str] = _SENTENCE
    input_length: ClassVar[str] = "max_source_length"
    kind: Literal["text_to_text"] = "text_to_text"
    prefix: str = ""
    """A text that is put before every input, such as the one T5 was trained with ("translate English to German: "). For
    translation, {source} and {target} in it stand for the languages' names."""
    target_prompt: str = ""
    """A text with which every output begins. The decoder is given it: the loss leaves it out, generation continues it,
    and it is removed before outputs are scored. Its tokens are not counted in max_target_length. A mask of the decoder
    may show all of its P tokens to one another: causal() | prefix(P + 1), which counts the start token."""
    target: str | None = None
    """The language of the output, as an ISO 639 code, which chooses the tokenizer of BLEU. By default the tokenizer is
    chosen by the references."""
    max_source_length: Count = 128
    """The number of tokens to which each input is cut, special tokens included."""
    max_target_length: Count = 128
    """The number of tokens to which each reference output is cut, and the largest number that is generated."""
    num_beams: BeamCount = 4
    """The number of beams of the search that generates the outputs of the test split."""
    dev_num_beams: BeamCount = 1
    """The number of beams of the search that generates the outputs of the dev split during training. 1 is greedy
    search, the fastest."""
    length_penalty: Annotated[float, in_range("a number from -100 to 100", lambda number: -100 <= number <= 100)] = 1.0
    """The exponent of the output's length by which the score of a beam is divided. Greater values favour longer
    outputs."""


@register_task
class Translation(TextToText):
    """A text in one language for each text in another."""

    implementation: ClassVar[str] = "finetune.tasks.translation:TranslationTask"
    fields_function: ClassVar[str] = "finetune.tasks.fields:translation"
    pipeline_tag: ClassVar[str] = "translation"
    kind: Literal["translation"] = "translation"  # type: ignore[assignment]
    source: str = "en"
    """The language of the input, as an ISO 639 code."""
    target: str = "de"
    """The language of the output, as an ISO 639 code. It also chooses the tokenizer of BLEU."""
