"""What a task puts on top of a pretrained model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelHead:
    """A head, in the names that transformers and peft give it.

    Args:
        name: What this project calls it: the name of the task that it was made for. Several tasks can share a head.
        auto_class: The automatic class of transformers that makes and loads models with it.
        architectures: Ends of the names of the classes that have it.
        peft_task_type: peft's name of it.
        pipeline: The pipeline of transformers that runs models with it; None where there is none.
        has_labels: Whether the model's configuration names its outputs (id2label), so that it is made for labels.
        has_problem_type: Whether the configuration's problem_type says what its outputs are.
        writes_text: Whether it writes text, for which the model needs an encoder and a decoder.
    """

    name: str
    auto_class: str
    architectures: tuple[str, ...]
    peft_task_type: str
    pipeline: str | None = None
    has_labels: bool = True
    has_problem_type: bool = False
    writes_text: bool = False


SEQUENCE_HEAD = ModelHead(
    "text_classification",
    "AutoModelForSequenceClassification",
    ("ForSequenceClassification",),
    "SEQ_CLS",
    pipeline="text-classification",
    has_problem_type=True,
)
TOKEN_HEAD = ModelHead(
    "token_classification",
    "AutoModelForTokenClassification",
    ("ForTokenClassification",),
    "TOKEN_CLS",
    pipeline="token-classification",
)
TEXT_HEAD = ModelHead(
    "text_to_text",
    "AutoModelForSeq2SeqLM",
    ("ForConditionalGeneration", "EncoderDecoderModel"),
    "SEQ_2_SEQ_LM",
    has_labels=False,
    writes_text=True,
)
