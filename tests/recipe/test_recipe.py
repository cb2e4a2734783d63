"""Rules that hold between sections, and that nothing but a `UserError` comes of any value of any key."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from finetune import compose
from finetune.compose.recipe_keys import inner_sections
from finetune.errors import UserError
from finetune.recipe import Adapter, Attention, Data, Model, Recipe, Scratch, TextToText, Training, name_problem

KEYS = sorted(set(compose.keys()))
EXTREME = (2**31, 2**32, 2**63, -(2**63) - 1, 10**25, 10**400, float("inf"), float("nan"), 1e300, -1e-320)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(EXTREME) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=4,
)


def recipe(**sections: Any) -> Recipe:
    return Recipe.model_validate(
        {"task": {"kind": "text_classification"}, "model": Model(name="x"), "data": Data(path="x.csv"), **sections}
    )


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"adapter": Adapter(kind="prefix_tuning"), "task": TextToText(target_prompt="In short: ")},
            "prefix tuning puts keys before the target",
        ),
        (
            {"adapter": Adapter(), "model": Model(scratch=Scratch(architecture="bert"))},
            "adapter is for pretrained models",
        ),
        ({"adapter": Adapter(), "training": Training(freeze=("bert",))}, r"set training.freeze=\[\]"),
        (
            {"adapter": Adapter(kind="prefix_tuning"), "attention": Attention.model_validate({"encoder": "window(3)"})},
            "or no attention masks",
        ),
    ],
)
def test_sections_that_do_not_go_together_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**sections)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a/b", "holds a slash"),
        ("a\nb", "a line break"),
        (".hidden", "begins or ends with a dot or a space"),
        ("a ", "begins or ends with a dot or a space"),
        ("x" * 101, "more than 100 characters"),
    ],
)
def test_a_name_that_no_folder_can_have(name: str, problem: str) -> None:
    assert problem in str(name_problem(name))
    with pytest.raises(ValidationError, match="it names a folder in output_dir"):
        recipe(name=name)


def test_a_name_that_a_folder_can_have() -> None:
    assert name_problem("sst2-large_3") is None
    assert name_problem("") is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("seed=4294967296", "a whole number from 0 to 4,294,967,295"),
        ("seed=-1", "a whole number from 0 to 4,294,967,295"),
        ("data.split_seed=-5", "a whole number from 0 to 4,294,967,295"),
        ("training.steps=9223372036854775808", "a whole number from 1 to 2,147,483,647"),
        ("training.epochs=0", "a whole number from 1 to 2,147,483,647"),
        ("training.learning_rate=.inf", "a number above 0, at most 1e+12"),
        ("training.learning_rate=.nan", "a number above 0, at most 1e+12"),
        ("data.max_dev_examples=.inf", "a whole number of examples from 1 to 2,147,483,647, or a share above 0"),
        ("evaluation.batch_size=1e30", "a whole number from 1 to 2,147,483,647"),
    ],
)
def test_a_number_out_of_range_is_one_mistake_that_names_the_range(word: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        compose.compose(["recipe=sst2", word])
    assert caught.value.where == word.partition("=")[0]
    assert expected in str(caught.value.expected)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["sst2", "conll2003", "wmt14"]), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3))
def test_any_value_of_any_key_makes_a_recipe_or_a_user_error(name: str, overrides: dict[str, Any]) -> None:
    with suppress(UserError):
        made = compose.override(compose.load_recipe(name), overrides)
        assert compose.from_tree(made.model_dump(mode="json"), made.name) == made


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KEYS), VALUES.map(json.dumps) | st.text(max_size=12))
def test_any_word_makes_a_recipe_or_a_user_error(key: str, text: str) -> None:
    with suppress(UserError):
        assert compose.compose(["recipe=sst2", f"{key}={text}"]).task.kind


def test_half_a_surrogate_pair_is_told() -> None:
    with pytest.raises(UserError, match="characters that no text can hold"):
        compose.compose(["recipe=sst2", 'attention.decoder.layers={"0": "\\ud800"}'])


def test_an_integer_that_python_does_not_write_is_told() -> None:
    with pytest.raises(UserError, match="a number of more than 4,300 digits"):
        compose.override(compose.load_recipe("sst2"), {"seed": 10**5000})


def test_every_key_is_described() -> None:
    sections: list[type[BaseModel]] = [Recipe, TextToText]
    seen: set[type[BaseModel]] = set()
    while sections:
        section = sections.pop()
        seen.add(section)
        for field in section.model_fields.values():
            sections += [inner for inner in inner_sections(field.annotation) if inner not in seen]
    undescribed = [
        f"{section.__name__}.{name}"
        for section in seen
        for name, field in section.model_fields.items()
        if not field.description and not list(inner_sections(field.annotation)) and name != "kind"
    ]
    assert undescribed == []
