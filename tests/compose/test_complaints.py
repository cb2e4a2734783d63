"""Messages about wrong values: the key, what it takes in plain words, and what was found; no words of pydantic's."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from finetune import compose
from finetune.compose.complaints import shown, translate
from finetune.compose.recipe_keys import RecipeKey, recipe_keys
from finetune.compose.yaml_values import written
from finetune.errors import UserError
from finetune.recipe import (
    MixtureSource,
    Recipe,
    Section,
    TaskSection,
    TextClassification,
    Training,
    register_task,
    unregister_task,
)

BASES = {
    "text_classification": compose.load_recipe("sst2"),
    "token_classification": compose.load_recipe("address_sample"),
    "text_to_text": compose.load_recipe("interface_sample"),
    "translation": compose.load_recipe("wmt14"),
}
WRONG: list[Any] = [
    True, False, 3, -1, 1.5, float("inf"), float("nan"), 10**20, "word", "", "a,b", None, [], [1], ["x", "x"], [[]], {},
    {"a": 1}, [{"a": 1}], [None], {"a": None},
]  # fmt: skip
PYDANTICS_WORDS = (
    "Input should be", "Input is", "valid ", "Extra inputs", "Value error", "Assertion failed", "union_tag",
    "model_type", "Field required", "discriminator", "Unable to", "pydantic", "<class",
)  # fmt: skip
KEYS = {f"{key.section.__name__}.{key.name}": key for key in recipe_keys()}


def base(key: RecipeKey) -> Recipe:
    kind = key.section.model_fields["kind"].default if issubclass(key.section, TaskSection) else "text_classification"
    return BASES[kind]


def message(recipe: str, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        compose.compose([f"recipe={recipe}", *words])
    return str(caught.value)


@pytest.mark.parametrize("name", KEYS)
def test_wrong_values_of_every_type_get_a_message_in_plain_words(name: str) -> None:
    key, refused = KEYS[name], 0
    for value in WRONG:
        try:
            compose.override(base(key), {key.name: value})
        except UserError as error:
            text = str(error)
            assert [word for word in PYDANTICS_WORDS if word in text] == []
            assert key.name in text
            assert any(form in text for form in (f"{key.name}={value}", *forms(value))), text
            refused += 1
    assert refused > 0


def forms(value: Any) -> Iterator[str]:
    """Yield the forms in which a message may show a value, or the part of it that is wrong."""
    yield shown(value)
    yield written(value)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from forms(part)


def test_the_keys_are_those_of_the_whole_recipe() -> None:
    assert len(KEYS) > 150
    assert {name.partition(".")[2] for name in KEYS} == set(compose.keys())


@pytest.mark.parametrize(
    ("word", "expected", "found"),
    [
        ("training.learning_rate=fast", "a number above 0, at most 1e+12", "'fast'"),
        ("training.epochs=true", "a whole number from 1 to 2,147,483,647", "true"),
        ("training.group_by_length=maybe", "true or false", "'maybe'"),
        ("training.schedule=lineer", "one of 'linear', 'cosine', 'constant', ", "'lineer'"),
        ("training.freeze={a: 1}", "a text", "{a: 1}"),
        ("training.max_grad_norm=-1", "a number above 0, at most 1e+12, or null", "-1"),
        ("model.sample=maxilm", "'minilm' or null", "'maxilm'"),
        ("output_dir=[a]", "a path", "[a]"),
        ("data.columns.text=[a, b]", "a text", "[a, b]"),
        ("data.columns.label=[a]", "a text or a list of at least 2 texts", "[a]"),
        ("data.columns.label={a: b}", "a text or a list of at least 2 texts", "{a: b}"),
        ("attention.encoder.layers=3", "a mapping from texts to texts", "3"),
        ("training.trackers=[wandb, tensorbord]", "one of 'tensorboard', 'wandb', ", "'tensorbord'"),
        ("data.sources=[{path: a.csv, weight: -1}]", "a number above 0, at most 1e+12, or null", "-1"),
    ],
)
def test_what_is_expected_is_said_of_the_type(word: str, expected: str, found: str) -> None:
    text = message("sst2", word)
    assert f"expected: {expected}" in text
    assert f"found:    {found}" in text


def test_an_item_of_a_list_is_named_by_its_number() -> None:
    assert "training.trackers[1] is wrong" in message("sst2", "training.trackers=[wandb, tensorbord]")
    assert "data.sources[0].weight is wrong" in message("sst2", "data.sources=[{path: a.csv, weight: -1}]")
    assert "data.sources[0].pth is not a key" in message("sst2", "data.sources=[{path: a.csv, pth: -1}]")


def test_a_union_is_told_once() -> None:
    assert message("sst2", "data.columns.label={a: b}").count("is wrong") == 1


def test_several_words_with_commas_are_written_in_brackets() -> None:
    assert "training.trackers=[wandb,mlflow]" in message("sst2", "training.trackers=wandb,mlflow")


def test_an_empty_text_is_no_list() -> None:
    assert "an empty list is training.trackers=[]" in message("sst2", "training.trackers=")


def test_a_word_that_yaml_takes_for_truth_can_be_quoted() -> None:
    text = message("sst2", "data.columns.text=true")
    assert "found:    true" in text
    assert "data.columns.text='\"true\"'" in text
    assert compose.compose(["recipe=sst2", 'data.columns.text="true"']).data.columns.text == "true"


def test_a_section_is_no_value() -> None:
    text = message("sst2", "training=3")
    assert "training is a section, which takes keys and their values" in text
    assert "the keys epochs, steps, batch_size" in text
    assert "on_nonfinite" in text
    assert "found:    3" in text
    assert "finetune help training" in text
    assert "the keys kind, rank" in message("sst2", "adapter=lora")
    assert "a mask such as 'window(64) | global_tokens(cls)', or the keys" in message("sst2", "attention.encoder=3")


def test_a_task_of_no_kind_or_another() -> None:
    text = message("sst2", "task.kind=text_classifcation")
    assert "task.kind is wrong" in text
    assert "one of 'text_classification', 'token_classification'" in text
    assert "did you mean task.kind=text_classification?" in text
    assert "task.kind is missing" in message("sst2", "task={max_length: 3}")
    assert "task is a section" in message("sst2", "task=translation")


def test_a_key_that_is_missing_says_what_it_takes() -> None:
    text = message("sst2", "model.scratch.size=tiny")
    assert "model.scratch.architecture is missing" in text
    assert "one of 'bert', 't5'" in text
    assert "found:    model.scratch.size='tiny'" in text


def test_keys_that_do_not_go_together_are_shown() -> None:
    assert "found:    training.cpu_tuning=false, training.fp32_matmul='onednn'" in message(
        "sst2", "training.cpu_tuning=false", "training.fp32_matmul=onednn"
    )


def test_sections_made_in_python_have_the_keys_of_a_recipe() -> None:
    cases: list[tuple[type[Section], dict[str, Any], str]] = [
        (Training, {"epochs": 0}, "training.epochs"),
        (MixtureSource, {"path": "a", "weight": 0}, "data.sources.weight"),
        (TextClassification, {"max_length": 0}, "task.max_length"),
    ]
    for section, values, key in cases:
        with pytest.raises(ValidationError) as caught:
            section.model_validate(values)
        (error,) = translate(caught.value, where="mine.py")
        assert (error.problem, error.where) == (f"{key} is wrong", "mine.py")


def test_a_section_of_another_package_may_use_pydantics_constraints() -> None:
    class Counting(TaskSection):
        implementation: ClassVar[str] = "nowhere:Counting"
        head: ClassVar[Any] = TextClassification.head
        pipeline_tag: ClassVar[str] = "counting"
        example: ClassVar[str] = "One."
        kind: Literal["counting"] = "counting"
        depth: int = Field(default=1, gt=0, le=9)
        factor: Annotated[float, Field(ge=0)] = 1.0
        even: int = 2

        @field_validator("even")
        @classmethod
        def _is_even(cls, value: int) -> int:
            assert value % 2 == 0, f"{value} is odd"
            return value

    register_task(Counting)
    try:
        words = ["task.kind=counting", "task.depth=10", "task.factor=-1", "task.even=3"]
        text = message("sst2", *words)
    finally:
        unregister_task("counting")
    assert "expected: a whole number greater than 0 and at most 9" in text
    assert "expected: a number at least 0" in text
    assert "task.even: 3 is odd" in text
    assert [word for word in PYDANTICS_WORDS if word in text] == []


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 10_000)) < 300
    assert shown(10**5000) == "a number of more than 4,300 digits"
    assert (shown(None), shown([None, True])) == ("null", "[null, true]")
