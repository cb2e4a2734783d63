"""Code that a recipe names runs only where the user chose or allowed it."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import evaluate
import pytest
import yaml

import finetune
from finetune import cli, compose, run
from finetune.allowed_code import code_of, needs_permission, require_allowed
from finetune.checking import check_recipe
from finetune.checkpointing.resume import command
from finetune.cli import runs
from finetune.data import functions
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.report import explain_recipe
from tests.packages import Brings
from tests.packages import brings as brings

RECIPE: dict[str, Any] = {
    "task": {"kind": "text_classification", "max_length": 16},
    "model": {"scratch": {"architecture": "bert", "size": "tiny", "vocab_size": 200}},
    "data": {"path": "train.csv"},
    "training": {"epochs": 1},
}
MINE = """
from pathlib import Path

Path("imported").touch()

def load(split):
    return [{"text": f"text {number}", "label": "ab"[number % 2]} for number in range(40)] if split == "train" else None

def keep(text):
    return True
"""
METRIC = """
from pathlib import Path

import datasets
import evaluate

Path("imported").touch()

class Own(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"own": 1.0}
"""
CASES: dict[str, dict[str, Any]] = {
    "function": {"data": {"function": "mine.py:load"}},
    "module": {"data": {"function": "shutil:rmtree", "path": None}},
    "filter": {"data": {"path": "train.csv", "filter": "mine.py:keep"}},
    "source": {"data": {"sources": [{"path": "train.csv"}, {"function": "mine.py:load"}]}},
    "source filter": {"data": {"sources": [{"path": "train.csv", "filter": "mine.py:keep"}]}},
    "metric file": {"evaluation": {"metrics": ["./own.py"]}},
    "metric of the Hub": {"evaluation": {"metrics": ["somebody/metric"]}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Path("train.csv").open("w", newline="") as file:
        rows = [(f"text number {number}", "ab"[number % 2]) for number in range(40)]
        csv.writer(file).writerows([("text", "label"), *rows])
    Path("mine.py").write_text(MINE)
    Path("own.py").write_text(METRIC)
    return tmp_path


@pytest.fixture
def no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test as soon as a function or a metric's script is looked for."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("code was about to run")

    monkeypatch.setattr(functions, "_import", fail)
    monkeypatch.setattr(evaluate, "load", fail)


def write(name: str = "theirs.yaml", **sections: object) -> str:
    Path(name).write_text(yaml.safe_dump(RECIPE | sections))
    return name


def refusal(*words: str) -> str:
    with pytest.raises(UserError) as caught:
        require_allowed(compose.compose(words))
    return str(caught.value)


@pytest.mark.usefixtures("no_code")
@pytest.mark.parametrize("case", CASES)
def test_a_yaml_recipe_runs_no_code(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(**CASES[case])
    assert run.main([f"recipe={name}"]) == 2
    told = capsys.readouterr().err
    assert "names code, which does not run unless you allow it" in told
    assert f"{name}: " in told
    assert "allow_code=true" in told
    for entrance in (check, explain_recipe, finetune.train):
        with pytest.raises(UserError, match="does not run unless you allow it"):
            entrance(compose.load_recipe(name))
    with pytest.raises(UserError, match="does not run unless you allow it"):
        finetune.train(name)
    assert not Path("runs").exists()


def check(recipe: Recipe) -> None:
    (error,) = check_recipe(recipe).errors
    raise error


@pytest.mark.usefixtures("no_code")
def test_the_message_names_every_key_and_what_it_runs() -> None:
    data = {"function": "mine.py:load", "filter": "os:system"}
    text = refusal(write(data=data, evaluation={"metrics": ["acuracy", "mse", "./own.py"]}))
    for part in (
        "theirs.yaml: data.function, data.filter, evaluation.metrics",
        "data.function=mine.py:load runs the function load of the file mine.py",
        "data.filter=os:system runs the function system of the module os",
        "evaluation.metrics=acuracy runs the metric's script of that name on the Hugging Face Hub",
        "evaluation.metrics=./own.py runs the metric's script in that file or folder",
        "if a metric of finetune is meant: evaluation.metrics=[accuracy]",
    ):
        assert part in text
    assert "metrics=mse" not in text


def test_a_file_cannot_allow_its_own_code(no_code: None) -> None:
    assert "in the file it does not count" in refusal(write(allow_code=True, **CASES["filter"]))
    allowed = compose.compose([write(**CASES["filter"]), "allow_code=true"])
    Path("again.yaml").write_text(compose.to_yaml(allowed))
    assert "allow_code" not in Path("again.yaml").read_text()
    refusal("again.yaml")


@pytest.mark.parametrize("case", ["function", "filter", "metric file"])
def test_allow_code_runs_it(case: str) -> None:
    assert run.main([write(**CASES[case]), "allow_code=true", "training.best_metric=loss"]) == 0
    assert Path("imported").exists()


@pytest.mark.usefixtures("no_code")
def test_a_key_of_the_users_needs_no_permission_and_gives_none_to_others() -> None:
    name = write(**CASES["filter"])
    require_allowed(compose.compose([name, "data.filter=other.py:keep"]))
    require_allowed(compose.compose([name, "data.filter=null"]))
    require_allowed(compose.compose([name, "data={path: train.csv, filter: 'mine.py:keep'}"]))
    assert "data.filter=mine.py:keep" in refusal(name, "evaluation.metrics=[./own.py]")
    assert "./own.py" not in refusal(name, "evaluation.metrics=[./own.py]")
    refusal(name, "data.function=mine.py:load")
    refusal(name, "data.columns.text=text", "data.on_empty=skip")


@pytest.mark.usefixtures("no_code")
def test_an_expression_an_own_metric_and_keys_that_do_not_count_are_no_code() -> None:
    data = {"path": "train.csv", "filter": "len(text) > 3 and label != 'a:b'"}
    require_allowed(compose.load_recipe(write(data=data, evaluation={"metrics": ["accuracy", "mse"]})))
    ignored: dict[str, Any] = {"function": "mine.py:load", "sources": [{"path": "train.csv"}]}
    require_allowed(compose.load_recipe(write(data=ignored)))


def test_an_entry_point_is_allowed(brings: Brings) -> None:
    brings("corpora", "finetune.data", corpus="mine:load")
    brings("scores", "finetune.metrics", own_score="own:RECORD")
    recipe = compose.load_recipe(write(data={"function": "corpus"}, evaluation={"metrics": ["own_score"]}))
    require_allowed(recipe)
    assert not needs_permission(recipe)
    assert [str(code) for code in code_of(recipe)] == [
        "data.function=corpus runs the entry point corpus of corpora",
        "evaluation.metrics=own_score runs the entry point own_score of scores",
    ]


def test_a_data_set_of_another_package_is_allowed_and_listed_and_one_of_finetune_is_no_other_code(
    brings: Brings,
) -> None:
    brings("corpora", "finetune.data", corpus="mine:load")
    recipe = compose.load_recipe(write(data={"sample": "corpus"}))
    require_allowed(recipe)
    assert not needs_permission(recipe)
    assert [str(code) for code in code_of(recipe)] == ["data.sample=corpus runs the entry point corpus of corpora"]
    data = {"sources": [{"sample": "sentiment"}, {"sample": "corpus"}, {"path": "train.csv", "sample": "corpus"}]}
    (code,) = code_of(compose.load_recipe(write(data=data)))
    assert (code.key, code.is_installed) == ("data.sources[1].sample", True)
    assert code_of(compose.load_recipe(write(data={"sample": "sentiment"}))) == ()
    assert code_of(compose.load_recipe(write(data={"function": "sentiment"}))) == ()


def test_python_recipes_dictionaries_and_objects_are_the_users() -> None:
    sections = {**RECIPE, **CASES["function"]}
    Path("recipe.py").write_text(f"from finetune.recipe import Recipe\nrecipe = Recipe.model_validate({sections!r})")
    for recipe in (
        compose.load_recipe("recipe.py"),
        compose.from_tree(sections, "mine"),
        Recipe.model_validate(sections),
    ):
        require_allowed(compose.override(recipe, {"training.epochs": 2}))
        assert needs_permission(recipe)


def test_check_lists_what_a_recipe_runs(capsys: pytest.CaptureFixture[str]) -> None:
    name = write(**CASES["filter"])
    with pytest.raises(UserError, match="does not run"):
        runs.check_command([name])
    assert re.search(
        r"data\.filter=mine\.py:keep .* the function keep of the file mine\.py .* no ", capsys.readouterr().out
    )
    assert not Path("imported").exists()
    runs.check_command([name, "allow_code=true"])
    assert re.search(r"the function keep of the file mine\.py .* yes ", capsys.readouterr().out)


def test_a_run_is_repeated_and_resumed_with_permission_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([write(**CASES["function"]), "allow_code=true", "name=own", "model.scratch.size=tiny"]) == 0
    (folder,) = Path("runs/own").iterdir()
    stored = compose.load_recipe(str(folder / "recipe.yaml"))
    (folder / "results.json").unlink()  # a run that was not finished
    assert command(stored, folder, 1) == f"finetune run resume={folder} allow_code=true"
    capsys.readouterr()
    for words in ([f"resume={folder}"], [str(folder / "recipe.yaml")]):
        assert run.main(words) == 2
        assert f"{folder}/recipe.yaml: data.function" in capsys.readouterr().err
    assert run.main([f"resume={folder}", "allow_code=true"]) == 0
    assert (folder / "results.json").is_file()
    assert run.main([str(folder / "recipe.yaml"), "allow_code=true"]) == 0
    assert len(list(Path("runs/own").iterdir())) == 2


def test_resume_auto_needs_the_permission_of_the_command_alone() -> None:
    words = ["recipe=sst2", "name=own", "data.function=mine.py:load", "model.name=null", "training.epochs=1"]
    words += ["model.scratch.architecture=bert", "model.scratch.size=tiny", "model.scratch.vocab_size=200"]
    words += ["data.columns.text=text"]
    assert run.main(words) == 0
    (folder,) = Path("runs/own").iterdir()
    (folder / "results.json").unlink()
    assert run.main([*words, "resume=auto"]) == 0
    assert [path for path in Path("runs/own").iterdir() if (path / "results.json").is_file()] == [folder]


def test_a_strangers_model_predicts_and_runs_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.main([write()]) == 0
    (made,) = Path("runs/theirs").iterdir()
    stranger = Path("stranger")
    shutil.copytree(made, stranger)
    recipe = yaml.safe_load((stranger / "recipe.yaml").read_text())
    recipe["data"] |= {"function": "mine.py:load", "filter": "mine.py:keep"}
    recipe["evaluation"] |= {"metrics": ["./own.py"]}
    recipe["allow_code"] = True
    for place in (stranger, stranger / "model"):
        (place / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    Path("new.csv").write_text("text\ntext number 1\n")
    for place in (stranger, stranger / "model"):
        monkeypatch.setattr("sys.argv", ["finetune", "predict", str(place), "-i", "new.csv", "-o", "answers.jsonl"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        assert json.loads(Path("answers.jsonl").read_text())["prediction"] in ("a", "b")
        Path("answers.jsonl").unlink()
        assert finetune.load(place).predict(["text number 1"])[0] in ("a", "b")
    finetune.open_run(stranger).predict(["text number 1"])
    assert not Path("imported").exists()
