"""Heads: the layers that a task puts on top of a pretrained model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelHead:
    """A head, and the names that transformers and peft have for it.

    Args:
        name: The head's name in this project: the name of the task that it was made for. Several tasks can share a
            head.
        auto_class: The name of the auto class of transformers that builds and loads models with this head.
        architectures: Endings of the names of the model classes that have this head.
        peft_task_type: The head's TaskType in peft.
        pipeline: The name of the transformers pipeline that runs models with this head; None where there is none.
        has_labels: Whether the head has an output for each label, which the model's configuration names (id2label).
        has_problem_type: Whether the configuration's problem_type says how the head's outputs are to be read.
        writes_text: Whether the head generates text, so that the model needs an encoder and a decoder.
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
