"""A YAML recipe with a base: its own keys come first, circles are told, and code of a base needs permission."""

from pathlib import Path

import pytest

from finetune import compose
from finetune.allowed_code import require_allowed
from finetune.errors import UserError
from finetune.library.overrides import resolve
from tests.compose.recipes import MINE, message

TOUCH = "from pathlib import Path\nPath('imported').touch()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    return name


def test_a_recipe_of_the_toolkit_is_a_base() -> None:
    name = write("short.yaml", "recipe: sst2\ntraining:\n  epochs: 9\ndata: {columns: {text: review}}\n")
    words = ["recipe=sst2", "training.epochs=9", "data.columns.text=review", "name=short"]
    assert compose.compose([name]) == compose.compose(words)
    assert compose.compose([name, "training.epochs=1"]).training.epochs == 1


def test_a_base_is_found_beside_the_file_that_names_it() -> None:
    write("folder/one.yaml", "recipe: sst2\nseed: 1\n")
    write("folder/two.yaml", "recipe: one.yaml\ntraining: {epochs: 2}\nname: mine\n")
    recipe = compose.load_recipe("folder/two.yaml")
    assert (recipe.seed, recipe.training.epochs, recipe.name) == (1, 2, "mine")
    absolute = write("three.yaml", f"recipe: {Path('folder/two.yaml').absolute()}\n")
    assert compose.load_recipe(absolute).training.epochs == 2


def test_keys_that_replace_one_another_and_tasks_do_so_here_too() -> None:
    recipe = compose.load_recipe(write("a.yaml", "recipe: sst2\nmodel: {sample: minilm}\ndata: {path: a.csv}\n"))
    assert (recipe.model.name, recipe.data.name) == (None, None)
    assert (
        compose.load_recipe(write("b.yaml", "recipe: wmt14\ntask: {kind: text_to_text}\n")).task.kind == "text_to_text"
    )


def test_a_section_without_keys_changes_nothing_that_is_there() -> None:
    recipe = compose.load_recipe(write("a.yaml", "recipe: sst2\ntraining: {}\nadapter: {}\n"))
    assert recipe.training == compose.load_recipe("sst2").training
    assert recipe.adapter is not None


def test_the_base_is_part_of_what_is_stored() -> None:
    recipe = compose.load_recipe(write("a.yaml", "recipe: sst2\nseed: 7\n"))
    assert compose.load_recipe(write("again.yaml", compose.to_yaml(recipe))).seed == 7
    assert "recipe:" not in compose.to_yaml(recipe)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recipe: sst3", "did you mean recipe: sst2?"),
        ("recipe: nothing.yaml", "the recipe file nothing.yaml does not exist"),
        ("recipe: 3", "recipe is wrong"),
        ("recipe:", "recipe is wrong"),
        ("recipe: ../../sst2", "there is no recipe '../../sst2'"),
        ("recipe: /etc/sst2", "there is no recipe '/etc/sst2'"),
        ("recipe: a.yaml", "a recipe is its own base"),
        ("recipe: sst2\ntraining: {epoch: 3}", "did you mean training.epochs?"),
        ("recipe: sst2\ntraining: {epochs: 0}", "training.epochs is wrong"),
        ("recipe: sst2\nlr: 3", "write training.learning_rate=3"),
        ("recipe: sst2\nmodel: {name: a, sample: minilm}", "model.name and model.sample are both given"),
    ],
)
def test_mistakes_name_the_file(text: str, expected: str) -> None:
    told = message([write("a.yaml", text)])
    assert expected in told
    assert "a.yaml" in told


def test_a_circle_is_shown() -> None:
    write("a.yaml", "recipe: b.yaml")
    write("b.yaml", "recipe: sub/../c.yaml")
    Path("sub").mkdir()
    write("c.yaml", "recipe: a.yaml")
    assert "found:    a.yaml -> b.yaml -> sub/../c.yaml -> " in message(["a.yaml"])


@pytest.mark.parametrize("base", ["mine.py", "sub/mine.py", "package.mine"])
def test_a_base_in_python_needs_permission(base: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    for place in ("mine.py", "sub/mine.py", "package/mine.py"):
        write(place, MINE + TOUCH)
    write("package/__init__.py", TOUCH)
    name = write("a.yaml", f"recipe: {base}\nseed: 3\nallow_code: true\n")
    assert "allow_code=true" in message([name])
    for load in (compose.load_recipe, resolve):
        with pytest.raises(UserError, match="does not run unless you allow it"):
            load(name)
    assert not Path("imported").exists()
    assert compose.compose([name, "allow_code=true"]).seed == 3
    assert Path("imported").exists()
    assert resolve(name, {"allow_code": True}).data.path == "my.csv"


def test_a_base_in_python_that_is_not_there() -> None:
    write("a.yaml", "recipe: nothing.py")
    assert "the recipe file nothing.py does not exist" in message(["a.yaml", "allow_code=true"])


def test_code_that_files_name_needs_permission_whichever_file_names_it() -> None:
    write("base.yaml", "recipe: sst2\ndata: {filter: 'mine.py:keep'}\n")
    for name, text in {
        "a": "seed: 3",
        "b": "data: {filter: 'mine.py:other'}",
        "c": "evaluation: {metrics: [./x.py]}",
    }.items():
        write(f"{name}.yaml", f"recipe: base.yaml\n{text}\n")
        with pytest.raises(UserError, match="names code") as caught:
            require_allowed(compose.load_recipe(f"{name}.yaml"))
        assert f"{name}.yaml" in str(caught.value.where)
        require_allowed(compose.compose([f"{name}.yaml", "allow_code=true"]))
    assert "base.yaml" in str(compose.load_recipe("a.yaml").file_keys.path)
    require_allowed(compose.load_recipe(write("d.yaml", "recipe: base.yaml\ndata: {filter: null}\n")))
    require_allowed(compose.compose(["a.yaml", "data.filter=mine.py:keep"]))


def test_code_of_an_allowed_base_in_python_is_allowed() -> None:
    write("mine.py", MINE.replace('path="my.csv"', 'path="my.csv", filter="mine.py:keep"'))
    require_allowed(compose.load_recipe(write("a.yaml", "recipe: mine.py\n"), allow_code=True))
