"""The recipe's `task`: what is learnt. The sections of the tasks that come with finetune."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from finetune.recipe.head import SEQUENCE_HEAD, TEXT_HEAD, TOKEN_HEAD, ModelHead
from finetune.recipe.task_registry import TaskSection, register_task

_SENTENCE = "It works as well as it should."


@register_task
class TextClassification(TaskSection):
    """An answer for each text or pair of texts: one class, any number of labels, or a number."""

    implementation: ClassVar[str] = "finetune.tasks.text_classification:TextClassificationTask"
    head: ClassVar[ModelHead] = SEQUENCE_HEAD
    pipeline_tag: ClassVar[str] = "text-classification"
    example: ClassVar[str] = _SENTENCE
    kind: Literal["text_classification"] = "text_classification"
    max_length: PositiveInt = 128
    """Tokens kept of each input; the rest is cut, and the number of cut inputs is said."""
    problem_type: Literal["auto", "single_label", "multi_label", "regression"] = "auto"
    """What the label column holds: one class, several labels, or a number. auto: several where it holds lists, a number
    where it holds numbers of which one is fractional."""
    label_separator: str = ","
    """What parts several labels that are written as one text, with problem_type=multi_label."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Probability from which a label counts as predicted, where there may be several."""


@register_task
class TokenClassification(TaskSection):
    """One label for each word."""

    implementation: ClassVar[str] = "finetune.tasks.token_classification:TokenClassificationTask"
    head: ClassVar[ModelHead] = TOKEN_HEAD
    pipeline_tag: ClassVar[str] = "token-classification"
    example: ClassVar[str] = "Ada Lovelace lived in London."
    kind: Literal["token_classification"] = "token_classification"
    scheme: Literal[
        "auto", "iob1", "iob2", "ioe1", "ioe2", "bios", "bioe", "iobes", "bmes", "bilou", "bmewo", "plain"
    ] = "auto"
    """How labels mark entities; told from the labels where auto, and noted. bmes, bilou and bmewo are iobes with other
    letters, bios has no ends, and bioe no single words. Labels can be B-PER, B_PER, PER-B, PER_B or B. Plain labels are
    classes of words, and mark no entities."""
    max_length: PositiveInt = 128
    """Tokens of one window; longer inputs are read in several."""
    stride: NonNegativeInt = 32
    """Tokens that neighbouring windows share as context."""


@register_task
class TextToText(TaskSection):
    """A text from a text."""

    implementation: ClassVar[str] = "finetune.tasks.text_to_text:TextToTextTask"
    head: ClassVar[ModelHead] = TEXT_HEAD
    pipeline_tag: ClassVar[str] = "text2text-generation"
    example: ClassVar[str] = _SENTENCE
    input_length: ClassVar[str] = "max_source_length"
    kind: Literal["text_to_text"] = "text_to_text"
    prefix: str = ""
    """Put before every input, as T5 was trained ("translate English to German: ")."""
    target_prompt: str = ""
    """What every output begins with, given to the decoder and not learned: the loss leaves it out, generation goes on
    from it, and it is cut off what is scored. Its tokens come on top of max_target_length. Of P prompt tokens a mask of
    the decoder may show all: causal() | prefix(P + 1), which counts the start token."""
    target: str | None = None
    """Language of the output (ISO 639), by which BLEU cuts texts into tokens; the references tell where not given."""
    max_source_length: PositiveInt = 128
    """Tokens kept of each input."""
    max_target_length: PositiveInt = 128
    """Tokens kept of each output, and the longest that is generated."""
    num_beams: PositiveInt = 4
    """Beams of the search that generates the test split's outputs."""
    dev_num_beams: PositiveInt = 1
    """Beams of the search that generates the dev split's outputs while training; 1 is greedy and fast."""
    length_penalty: float = 1.0
    """Exponent of the length by which a beam's score is divided."""


@register_task
class Translation(TextToText):
    """A text in one language from a text in another."""

    implementation: ClassVar[str] = "finetune.tasks.translation:TranslationTask"
    pipeline_tag: ClassVar[str] = "translation"
    kind: Literal["translation"] = "translation"  # type: ignore[assignment]
    source: str = "en"
    """Language of the input (ISO 639)."""
    target: str = "de"
    """Language of the output, by which BLEU cuts texts into tokens."""
