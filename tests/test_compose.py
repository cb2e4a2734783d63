"""Recipes by name, file or module; overrides; every mistake told at once."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finetune import compose
from finetune.errors import UserError, UserErrors
from finetune.recipe import Recipe

MINE = '''"""My recipe.

More about it.
"""

from finetune.recipe import Data, Model, Recipe, TextClassification

recipe = Recipe(task=TextClassification(), model=Model(name="somewhere/bert"), data=Data(path="my.csv"))
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return str(path)


def message(words: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        compose.compose(words)
    return str(caught.value)


@pytest.mark.parametrize("name", compose.recipe_names())
def test_every_shipped_recipe_composes_and_survives_yaml(name: str, tmp_path: Path) -> None:
    recipe = compose.compose([f"recipe={name}"])
    assert recipe.name == name
    assert recipe.summary
    path = tmp_path / "again.yaml"
    path.write_text(compose.to_yaml(recipe))
    assert compose.load_recipe(str(path)) == recipe


@pytest.mark.parametrize("name", compose.recipe_names())
def test_every_recipe_opens_with_its_command_and_is_short(name: str) -> None:
    text = (Path(compose.__file__).parent.parent / "recipes" / f"{name}.py").read_text()
    assert f"accelerate launch finetune/run.py recipe={name}" in text
    assert len(text.splitlines()) < 80


def test_a_recipe_is_found_by_path_and_takes_its_name_and_summary_from_the_file(mine: str) -> None:
    recipe = compose.compose([f"recipe={mine}"])
    assert (recipe.name, recipe.summary) == ("mine", "My recipe")


def test_a_recipe_is_found_by_module(mine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "somepackage"
    package.mkdir()
    (package / "special.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert compose.compose(["recipe=somepackage.special"]).name == "special"


def test_a_module_that_fails_is_told_as_a_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "otherpackage"
    package.mkdir()
    (package / "wrong.py").write_text("from finetune.recipe import Training\nTraining(epoch=3)")
    (package / "lost.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "epoch" in message(["recipe=otherpackage.wrong"])
    assert "nothing_of_that_name" in message(["recipe=otherpackage.lost"])


def test_the_first_word_may_be_the_recipe_alone(mine: str) -> None:
    assert compose.compose([mine]) == compose.compose([f"recipe={mine}"])


def test_overrides_reach_into_sections_and_read_yaml(mine: str) -> None:
    recipe = compose.compose(
        [mine, "training.learning_rate=1e-3", "data.labels=[a, b]", "task.max_length=7", "data.name=null", "seed=3"]
    )
    assert recipe.training.learning_rate == 1e-3
    assert recipe.data.labels == ("a", "b")
    assert (recipe.seed, recipe.task.kind) == (3, "text_classification")


def test_yaml_words_that_old_yaml_takes_for_truth_or_time_stay_words(mine: str) -> None:
    recipe = compose.compose([mine, "data.columns.text=no", "data.columns.label=2026-01-01", "data.name=1"])
    assert (recipe.data.columns.text, recipe.data.columns.label, recipe.data.name) == ("no", "2026-01-01", "1")


def test_nothing_after_the_sign_is_an_empty_text_and_null_is_none() -> None:
    recipe = compose.compose(["recipe=wmt14", "task.prefix=", "data.config=null"])
    assert (recipe.task.prefix, recipe.data.config) == ("", None)  # type: ignore[attr-defined]
    assert compose.compose(["recipe=sst2", "data.columns.text=#1 String"]).data.columns.text == "#1 String"


def test_a_brace_pair_of_files_is_a_plain_word(mine: str) -> None:
    assert compose.compose([mine, "data.path=x/news.{en,de}"]).data.path == "x/news.{en,de}"


def test_another_kind_of_task_keeps_what_both_have() -> None:
    recipe = compose.compose(["recipe=wmt14", "task.kind=text_to_text", "task.num_beams=2", "task.prefix=say: "])
    assert (recipe.task.kind, recipe.task.max_source_length) == ("text_to_text", 128)  # type: ignore[attr-defined]
    assert "text_classification" in message(["recipe=wmt14", "task.kind=text_classifcation"])


@pytest.mark.parametrize("value", ["1e5", "7e12345", "0123456", "1_000", "1:30", "no", "null", "true", "1.5", "", "#a"])
def test_words_that_look_like_numbers_survive_yaml(mine: str, tmp_path: Path, value: str) -> None:
    recipe = compose.override(compose.load_recipe(mine), {"data.labels": [value, "b"], "model.revision": value})
    path = tmp_path / "again.yaml"
    path.write_text(compose.to_yaml(recipe))
    again = compose.load_recipe(str(path))
    assert (again.data.labels, again.model.revision) == ((value, "b"), value)


def test_another_task_replaces_the_recipes(mine: str) -> None:
    recipe = compose.compose(["recipe=wmt14", "task.source=fr", "task.target=en", "task.num_beams=1"])
    assert (recipe.task.source, recipe.task.num_beams) == ("fr", 1)  # type: ignore[attr-defined]


def test_from_pretrained_to_scratch(mine: str) -> None:
    recipe = compose.compose(["recipe=wmt14", "model.name=null", "model.scratch.architecture=t5"])
    assert recipe.model.scratch is not None
    assert recipe.model.description == "t5-mini from scratch"


def test_all_mistakes_are_told_at_once(mine: str) -> None:
    text = message(
        [mine, "training.lerning_rate=1", "training.epochs=0", "training.precision=int8", "data.max_dev_examples=few"]
    )
    assert "training.lerning_rate is not a key" in text
    assert "did you mean training.learning_rate?" in text
    assert "training.epochs is wrong" in text
    assert "a whole number from 1 to 2,147,483,647" in text
    assert "'fp32', 'bf16' or 'fp16'" in text
    assert "'few'" in text
    assert text.count("lerning_rate is not a key") == 1


def test_a_key_of_another_task_says_so(mine: str) -> None:
    assert "task.num_beams does not go with this recipe's task" in message([mine, "task.num_beams=2"])


def test_a_key_without_its_section_is_found(mine: str) -> None:
    assert "did you mean training.batch_size?" in message([mine, "batch_size=2"])


def test_an_unknown_recipe_is_answered_with_the_nearest(mine: str) -> None:
    text = message(["recipe=sentimet_sample"])
    assert "there is no recipe 'sentimet_sample'" in text
    assert "recipe=sentiment_sample?" in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["recipe=sst2", "training"], "is not of the form key=value"),
        (["recipe=sst2", "seed=1", "seed=2"], "seed is given twice"),
        (["recipe=sst2", "data.labels=[a"], "is not YAML"),
        (["recipe=nowhere.py"], "nowhere.py does not exist"),
        (["recipe=nowhere.yaml"], "nowhere.yaml does not exist"),
        ([], "no recipe is named"),
        (["recipe=sst2", "model.scratch.architecture=bert"], "exactly one of name, sample and scratch"),
        (["recipe=sst2", "data.name=null"], "one of path, name and sample is needed"),
        (["recipe=sst2", "data.dev_path=x.csv"], "dev_path and test_path need path"),
        (["recipe=sst2", "attention.encoder=window(3)", "attention.encoder.mask=full()"], "are both given"),
        (["recipe=../mine"], "there is no recipe '../mine'"),
        (["recipe=no.such.module"], "there is no recipe 'no.such.module'"),
    ],
)
def test_mistakes_in_words(words: list[str], expected: str) -> None:
    assert expected in message(words)


@pytest.mark.parametrize(
    "name",
    ["../../x", "/abs/x", "..", ".", "", "a/b", "a\\b", "C:x", '"two\\nlines"', '"a\\0"', ".hidden", '" x"', "x" * 101],
)
def test_a_name_is_that_of_one_folder(name: str) -> None:
    assert "name" in message(["recipe=sst2", f"name={name}"])


@pytest.mark.parametrize("name", ["sst2-large_3", "a run of mine (2)", "été.v1", "1"])
def test_a_name_may_be_any_folders(name: str) -> None:
    assert compose.compose(["recipe=sst2", f"name={name}"]).name == name


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x = 1", "holds no recipe"),
        ("recipe = 3", "int"),
        ("import nothing_of_that_name", "No module named"),
        ("recipe = (", "fails: SyntaxError"),
        ("from finetune.recipe import Training\nTraining(epoch=3)", "epoch"),
    ],
)
def test_mistakes_in_a_recipe_file(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    text = message([str(path)])
    assert expected in text
    assert "broken.py" in text


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "task: {kind: nothing}"])
def test_mistakes_in_a_yaml_recipe(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    assert "broken.yaml" in message([str(path)])


def test_a_recipe_cannot_be_changed() -> None:
    recipe = compose.compose(["recipe=sst2"])
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 1  # type: ignore[misc]


def test_several_errors_are_one_exception_with_each_inside(mine: str) -> None:
    with pytest.raises(UserErrors) as caught:
        compose.compose([mine, "seed=-1", "training.epochs=0"])
    assert len(caught.value.errors) == 2


@given(st.integers(0, 10**6), st.floats(1e-9, 1.0), st.booleans())
def test_any_resolved_recipe_survives_yaml(seed: int, rate: float, group: bool) -> None:
    recipe = compose.compose(
        ["recipe=sst2", f"seed={seed}", f"training.learning_rate={rate!r}", f"training.group_by_length={group}"]
    )
    assert recipe.training.learning_rate == rate
    tree = yaml.load(compose.to_yaml(recipe), compose._Loader)  # noqa: S506 (a safe loader)
    assert Recipe.model_validate(tree) == recipe


def test_masks_are_read_from_text_and_survive_yaml(tmp_path: Path) -> None:
    words = [
        "recipe=wmt14",
        "attention.encoder=window(8) | global_tokens(0)",
        'attention.cross={layers: {"-1": none()}}',
    ]
    recipe = compose.compose(words)
    assert str(recipe.attention.program.for_layer("encoder", 0, 6)) == "window(8) | global_tokens(0)"
    assert str(recipe.attention.program.for_layer("cross", 5, 6)) == "none()"
    path = tmp_path / "again.yaml"
    path.write_text(compose.to_yaml(recipe))
    assert compose.load_recipe(str(path)).attention == recipe.attention


def test_masks_are_written_in_python_too() -> None:
    from finetune.attention.masks import global_tokens, window
    from finetune.recipe import Attention, SiteSection

    site = SiteSection(mask=window(3), layers={"-1": window(3) | global_tokens(0)})
    assert Attention(encoder=site).program.for_layer("encoder", 1, 2) == window(3) | global_tokens(0)
    assert Attention(encoder=window(3)).program.for_layer("encoder", 0, 2) == window(3)


def test_every_third_layer_is_named_by_a_step() -> None:
    recipe = compose.compose(["recipe=sst2", "attention.encoder={mask: window(8), layers: {0-11/3: full()}}"])
    masks = recipe.attention.program.by_layer("encoder", 12)
    assert [str(mask) for mask in masks] == ["full()", "window(8)", "window(8)"] * 4


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("attention.encoder=widnow(8)", "did you mean 'window'?"),
        ("attention.encoder.bidirectional=true", "only the decoder's masks are made causal"),
        ("attention.encodr=full()", "did you mean attention.encoder?"),
        ("attention.encoder.layers={a: full()}", "'a' does not name layers"),
        ("attention.encoder.layers={3/2: full()}", "'3/2' does not name layers: a step is a number after a range"),
    ],
)
def test_mistakes_in_masks(word: str, expected: str) -> None:
    assert expected in message(["recipe=sst2", word])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (
            "training.class_weights={spam: 0}",
            "training.class_weights: the weight of 'spam' is 0, expected a number above 0",
        ),
        ("training.class_weights={spam: -1.5}", "the weight of 'spam' is -1.5"),
        ("training.class_weights={spam: .inf}", "the weight of 'spam' is inf"),
        ("training.class_weights={spam: true}", "the weight of 'spam' is True"),
        ("training.class_weights=blanced", "expected balanced, or a weight for each class such as {spam: 5}"),
        ("data.labels=[a, b, a]", "data.labels: 'a' is there more than once; name each class once"),
    ],
)
def test_classes_that_weigh_nothing_or_are_named_twice(word: str, expected: str) -> None:
    assert expected in message(["recipe=sst2", word])


def test_class_weights_by_number_name_the_class() -> None:
    recipe = compose.compose(["recipe=sst2", "training.class_weights={1: 2}"])
    assert recipe.training.class_weights == {"1": 2.0}


def test_a_target_prompt_does_not_go_with_prefix_tuning() -> None:
    words = ["recipe=wmt14", "adapter.kind=prefix_tuning", "task.target_prompt=In short: "]
    assert "take adapter.kind=lora or ia3, or no prompt" in message(words)


@pytest.mark.parametrize("content", [b"[" * 1500, b"\xff\xfe\xff", b"a: [", b"name: \x00"])
def test_a_file_that_is_not_yaml_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(UserError, match="is not YAML"):
        compose.load_recipe(str(tmp_path / "recipe.yaml"))


def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        compose.load_recipe(str(tmp_path / "recipe.yaml"))
