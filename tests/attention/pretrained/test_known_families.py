"""The records of the supported architectures name classes that transformers has."""

import importlib

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, model_type_to_module_name

from finetune.attention.pretrained import KNOWN_FAMILIES, Family

FAMILIES = pytest.mark.parametrize("family", KNOWN_FAMILIES, ids=lambda family: family.name)


@FAMILIES
def test_the_classes_of_a_family_are_those_of_its_model_type(family: Family) -> None:
    for model_type in family.model_types:
        assert model_type in CONFIG_MAPPING
        package = model_type_to_module_name(model_type)
        module = importlib.import_module(f"transformers.models.{package}.modeling_{package}")
        names = (*family.stacks, *family.attention, *filter(None, [family.last_attention]))
        assert [name for name in names if not hasattr(module, name)] == []


@FAMILIES
def test_a_record_agrees_with_itself(family: Family) -> None:
    assert set(family.ia3_feed_forward) <= set(family.ia3_targets or ())
    assert (family.stack is None) == (not family.attention)
    assert not (family.no_stream and family.stream_positions)
    assert (family.stream_positions == "relative_bias") <= family.relative_bias


def test_no_two_records_have_a_name_a_type_or_a_stack_in_common() -> None:
    names = [name for family in KNOWN_FAMILIES for name in (family.name, *family.model_types, *family.stacks)]
    # A name may equal the model_type of the same family.
    assert len(names) == len(set(names))
