"""A recipe as YAML with comments: each key has one, and the whole runs again."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune import compose
from finetune.compose.commented import commented_yaml
from finetune.compose.yaml_values import RecipeLoader

EXTRAS = [
    "adapter.kind=lora",
    "training.class_weights={a: 2.5}",
    'attention.encoder={mask: window(8), layers: {"-1": full()}}',
    "data.sources=[{path: a.csv, weight: 1, columns: {text: x}}]",
    "data.labels=[a, b]",
]


@pytest.mark.parametrize("name", compose.recipe_names())
def test_every_recipe_survives(name: str, tmp_path: Path) -> None:
    recipe = compose.compose([f"recipe={name}"])
    (tmp_path / "again.yaml").write_text(commented_yaml(recipe))
    assert compose.load_recipe(str(tmp_path / "again.yaml")) == recipe


@pytest.mark.parametrize("words", [EXTRAS, ["model.scratch.architecture=t5"]])
def test_sections_within_sections_survive(words: list[str], tmp_path: Path) -> None:
    recipe = compose.compose(["recipe=sst2", *words])
    (tmp_path / "again.yaml").write_text(commented_yaml(recipe))
    assert compose.load_recipe(str(tmp_path / "again.yaml")) == recipe


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_survives(text: str) -> None:
    recipe = compose.override(compose.load_recipe("wmt14"), {"task.prefix": text, "data.labels": [text, "other one"]})
    tree = yaml.load(commented_yaml(recipe), RecipeLoader)  # noqa: S506 (a safe loader)
    assert (tree["task"]["prefix"], tree["data"]["labels"]) == (text, [text, "other one"])


def test_each_key_stands_below_what_it_is() -> None:
    lines = commented_yaml(compose.load_recipe("sst2")).splitlines()
    for number, line in enumerate(lines):
        if line and not line.lstrip().startswith(("#", "-")):
            assert lines[number - 1].lstrip().startswith("#"), line
    assert max(map(len, lines)) <= 120
    place = lines.index("  schedule: linear")
    comment = " ".join(line.strip(" #") for line in lines[place - 3 : place])
    assert "How the learning rate changes after the warm-up. One of linear, cosine, constant" in comment


def test_a_file_cannot_allow_its_own_code() -> None:
    recipe = compose.compose(["recipe=sst2", "allow_code=true"])
    assert "\nallow_code" not in commented_yaml(recipe)
