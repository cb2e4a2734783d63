"""docs/adding_a_task_and_a_family.md: its files run as they stand there."""

import csv
import json
import random
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import RobertaPreLayerNormConfig, RobertaPreLayerNormModel

from finetune import compose, metrics
from finetune.allowed_code import code_of
from finetune.attention.masks import register_mask, register_predicate
from finetune.attention.pretrained import KNOWN_FAMILIES, families, unregister_family
from finetune.errors import UserError
from finetune.models import load_tokenizer
from finetune.recipe import Data, Model, Recipe, Scratch, TextClassification, Training, unregister_task
from finetune.run import run_recipe
from finetune.serve import predict
from tests.packages import install
from tests.training.conftest import FILLER, write_rows

TEXT = (Path(__file__).parent.parent / "docs" / "adding_a_task_and_a_family.md").read_text()
FILES = re.findall(r"`([\w.]+)`\n```\w+\n(.*?)```", TEXT, re.DOTALL)
PYTHON = {name: text for name, text in FILES if name.endswith(".py")}
PACKAGES = {one["project"]["name"]: one["project"] for name, text in FILES if name.endswith(".toml")
            for one in [tomllib.loads(text)]}  # fmt: skip


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    yield
    unregister_task("word_count")
    for family in set(families()) - set(KNOWN_FAMILIES):
        unregister_family(family)
    for name in ("word_count", "prelayernorm", "weather_data"):
        sys.modules.pop(name, None)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(PYTHON[name])


def install_from_docs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(folder, name, PACKAGES[name]["entry-points"], monkeypatch)


def write_texts(path: Path, count: int) -> None:
    generator = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([" ".join(generator.choices(FILLER, k=generator.randint(1, 12)))] for _ in range(count))


def test_the_task_trains_and_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "word_count.py", "my_word_count.py")
    write_texts(tmp_path / "texts.csv", 400)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (command,) = re.findall(r"finetune run (recipe=my_.*)", TEXT)
    scores = run_recipe(compose.compose([command]))
    assert scores["mse"] < 2  # the variance of the counts is about 12
    (folder,) = (tmp_path / "runs" / "my_word_count").iterdir()
    card = (folder / "model" / "README.md").read_text()
    assert "fine-tuned for word count" in card
    assert "How many words are these?" in card

    # Elsewhere nobody imports the file, and its package's entry point does.
    unregister_task("word_count")
    sys.modules.pop("word_count")
    with pytest.raises(UserError, match="found:    'word_count'"):
        predict(str(folder), [{"text": "a film"}])
    install_from_docs("word-count", tmp_path, monkeypatch)
    short, long = predict(str(folder), [{"text": "so"}, {"text": "a very good film and this was the story of it"}])
    assert short["prediction"] + 2 < long["prediction"]


def test_the_task_names_its_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "word_count.py", "my_word_count.py")
    write_texts(tmp_path / "texts.csv", 40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"task\.column"):
        run_recipe(compose.compose(["recipe=my_word_count.py", "task.column=review"]))


def test_the_family_is_trained_under_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_rows(tmp_path / "data", "text_classification", {"train": 64, "dev": 8, "test": 16})
    tiny = Scratch(architecture="bert", size="tiny", vocab_size=200)
    texts = [json.loads(line)["text"] for line in (data / "train.jsonl").read_text().splitlines()]
    tokenizer = load_tokenizer(Model(scratch=tiny), lambda: texts)
    tokenizer.save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    config = RobertaPreLayerNormConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=2,
    )
    RobertaPreLayerNormModel(config).save_pretrained(tmp_path / "model")
    recipe = Recipe(
        name="prelayernorm",
        task=TextClassification(max_length=32),
        model=Model(name=str(tmp_path / "model")),
        data=Data(path=str(data)),
        training=Training(steps=2, batch_size=8, precision="fp32"),
        output_dir=tmp_path / "runs",
    )
    recipe = compose.override(recipe, {"attention.encoder": "window(2) | global_tokens(0)"})
    with pytest.raises(UserError, match="'roberta-prelayernorm' cannot be fine-tuned here"):
        run_recipe(recipe)
    write(tmp_path, "prelayernorm.py")
    monkeypatch.syspath_prepend(tmp_path)
    install_from_docs("prelayernorm", tmp_path, monkeypatch)
    assert run_recipe(recipe)["loss"] > 0
    (folder,) = (tmp_path / "runs" / "prelayernorm").iterdir()
    (answer,) = predict(str(folder), [{"text": "a great film"}])
    assert answer["prediction"] in ("good", "bad")


def test_the_data_set_of_a_package_trains_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "weather_data.py")
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"finetune run (recipe=.* data.sample=.*)", TEXT)
    tiny = ["model.sample=null", "model.scratch.architecture=bert", "model.scratch.size=tiny", "task.max_length=16"]
    fast = ["model.scratch.vocab_size=200", "training.epochs=4", "training.batch_size=8", "training.learning_rate=1e-3"]
    words = [*command.split(), *tiny, *fast, "training.precision=fp32", "output_dir=runs"]
    with pytest.raises(UserError, match="no installed package brings a data set 'weather'"):
        compose.compose(words)
    install_from_docs("weather-data", tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"did you mean data\.sample=weather"):
        compose.compose(["recipe=sentiment_sample", "data.sample=wether"])
    assert "weather_data" not in sys.modules
    recipe = compose.compose(words)
    assert [str(code) for code in code_of(recipe)] == [
        "data.sample=weather runs the entry point weather of weather-data"
    ]
    assert "weather_data" not in sys.modules
    assert run_recipe(recipe)["accuracy"] > 0.9
    (folder,) = (tmp_path / "runs" / "sentiment_sample").iterdir()

    # The model predicts where the data set is not installed, from a recipe in YAML that needs no permission.
    assert compose.compose([f"recipe={folder / 'recipe.yaml'}"]).data.sample == "weather"
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
    (answer,) = predict(str(folder), [{"text": "It is stormy in Oslo today"}])
    assert answer["prediction"] == "bad"


def test_what_the_page_names_is_there() -> None:
    assert len(FILES) == len(re.findall(r"^```(?!sh)\w+$", TEXT, re.MULTILINE))
    assert all(callable(one) for one in (register_mask, register_predicate, metrics.register_metric))
