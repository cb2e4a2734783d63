"""Finds the automatic class of transformers that loads a model."""

from collections.abc import Mapping
from typing import Any

from transformers.models.auto import modeling_auto

from finetune.attention.pretrained.errors import PretrainedError

HEADS: Mapping[str, Mapping[str, Any]] = {
    "AutoModelForSequenceClassification": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "AutoModelForTokenClassification": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    "AutoModelForSeq2SeqLM": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "AutoModelForQuestionAnswering": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    "AutoModelForMaskedLM": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "AutoModelForCausalLM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "AutoModelForMultipleChoice": modeling_auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES,
    "AutoModelForNextSentencePrediction": modeling_auto.MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES,
    "AutoModelForTextEncoding": modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
    "AutoModel": modeling_auto.MODEL_MAPPING_NAMES,
    "AutoModelForPreTraining": modeling_auto.MODEL_FOR_PRETRAINING_MAPPING_NAMES,
}
"""The classes that each automatic class loads, by `model_type`. The first entry that names a class is used."""


def automatic_class(name: str) -> str:
    """Return the name of the automatic class that loads a model.

    Args:
        name: The name of the model's class.

    Raises:
        PretrainedError: No automatic class loads it.
    """
    for automatic, classes in HEADS.items():
        if name in set(_names(classes)):
            return automatic
    raise PretrainedError(
        f"the masks of a {name} cannot be saved: none of transformers' automatic classes ({', '.join(HEADS)}) loads "
        "it, and another class would load it without its masks. Call remove_masks(model), save, and call apply_masks "
        "again after loading"
    )


def _names(classes: Mapping[str, Any]) -> list[str]:
    """Return the names of all classes of a mapping, in which a `model_type` may have one or several."""
    return [name for each in classes.values() for name in ([each] if isinstance(each, str) else each)]
