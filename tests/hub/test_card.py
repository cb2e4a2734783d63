"""The model card is complete, valid, and its five lines run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from finetune import compose
from finetune.attention.pretrained import apply_masks
from finetune.checkout import DISTRIBUTION
from finetune.errors import UserError
from finetune.hub import load_trained, push, run_facts, write_card
from finetune.hub.account import Repository
from finetune.models import save_weights
from finetune.recipe.data_sets import data_set_names, packages_of_data_set
from tests.hub.lines import run_lines
from tests.hub_server import library
from tests.hub_server.fixtures import TOKEN
from tests.hub_server.hub import Hub


def override(run: Path, changes: Mapping[str, Any]) -> None:
    recipe = compose.override(compose.load_recipe(str(run / "recipe.yaml")), changes)
    (run / "recipe.yaml").write_text(compose.to_yaml(recipe))


def put_masks(run: Path, program: Mapping[str, Any]) -> None:
    """Masks in recipe and model, as a run leaves them."""
    override(run, {f"attention.{site}": mask for site, mask in program.items()})
    model, tokenizer, _ = load_trained(run)
    save_weights(apply_masks(model, program, special_tokens={"cls": tokenizer.cls_token_id}), run / "model")


@pytest.fixture
def fetched(hub: Hub, run: Path) -> Path:
    """The run, whose model and data set are on the Hub."""
    library.add_everything(hub)
    return run


def test_the_header(fetched: Path) -> None:
    card = ModelCard.load(write_card(fetched))
    card.validate()
    header = card.data
    assert header.base_model == "google-bert/bert-base-uncased"
    assert header.datasets == ["stanfordnlp/sst2"]
    assert header.license == "apache-2.0", "the pretrained model's"
    assert header.pipeline_tag == "text-classification"
    assert header.library_name == "transformers"
    results = {result.metric_type: result for result in header.eval_results or ()}
    assert results["accuracy"].metric_value == 0.75
    assert results["accuracy"].dataset_type == "stanfordnlp/sst2"
    assert results["accuracy"].dataset_split == "test"
    assert header.model_name == "films"
    assert "No licence" not in card.text


def test_what_the_recipe_says_of_licence_and_languages(fetched: Path) -> None:
    override(fetched, {"hub.license": "mit", "hub.languages": ["en", "de"]})
    header = ModelCard.load(write_card(fetched)).data
    assert header.license == "mit"
    assert header.language == ["en", "de"]


def test_without_a_hub_it_is_written_all_the_same(run: Path) -> None:
    card = ModelCard.load(write_card(run))
    assert card.data.license is None
    assert "No licence is stated" in card.text


def test_slices_are_a_table_that_no_value_of_the_data_breaks(run: Path) -> None:
    entries = [
        {"slice": "a|b\n<script>*x*", "examples": 30, "accuracy": 0.25, "interval": [0.1, 0.5]},
        {"slice": "long", "examples": 1, "accuracy": None, "interval": None},
    ]
    (run / "results.json").write_text(json.dumps({"test": {"accuracy": 0.75}, "slices": {"my_column": entries}}))
    text = ModelCard.load(write_card(run)).text
    assert "| my\\_column | a\\|b &lt;script&gt;\\*x\\* | 30 | accuracy 0.2500 (0.1000 to 0.5000) |\n" in text
    assert "| my\\_column | long | 1 | accuracy not defined |\n" in text
    (run / "results.json").write_text(json.dumps({"test": {"accuracy": 0.75}}))
    assert "Scores of parts" not in ModelCard.load(write_card(run)).text


def test_scores_with_those_of_baselines(fetched: Path) -> None:
    results = {"test": {"accuracy": 0.75}, "baselines": {"majority class": {"accuracy": 0.5}}}
    (fetched / "results.json").write_text(json.dumps(results))
    text = ModelCard.load(write_card(fetched)).text
    assert "| score | this model | majority class |" in text
    assert "| accuracy | 0.7500 | 0.5000 |" in text
    assert "confidence intervals" not in text


def test_scores_with_their_intervals(fetched: Path) -> None:
    results = {"test": {"accuracy": 0.75}, "intervals": {"accuracy": [0.6, 0.8]}}
    (fetched / "results.json").write_text(json.dumps(results))
    text = ModelCard.load(write_card(fetched)).text
    assert "| accuracy | 0.7500 (0.6000 to 0.8000) |" in text
    assert "In parentheses: 95% confidence intervals" in text


def test_the_five_lines_run(fetched: Path) -> None:
    assert "LABEL_" in run_lines(write_card(fetched).read_text())


@pytest.mark.parametrize(
    "program",
    [
        {"encoder": "window(1) | global_tokens(cls)"},
        {"encoder": {"mask": "full()", "layers": {"0": "same(segment)", "-1": "per_head(window(1), full())"}}},
        {"encoder": "same(sentence)"},
    ],
    ids=str,
)
def test_masks_as_text_and_picture(fetched: Path, program: Mapping[str, Any]) -> None:
    put_masks(fetched, program)
    text = write_card(fetched).read_text()
    assert str(load_trained(fetched).masks.encoder.mask).replace("|", "\\|") in text
    assert "![" in text
    assert "█" in text
    assert (fetched / "model" / "masks.png").read_bytes().startswith(b"\x89PNG")
    assert run_lines(text)


def test_pushed_it_loads_what_was_pushed(
    hub: Hub, fetched: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    write_card(fetched)
    push(fetched, Repository("ada/films"))
    pushed = hub.model("ada/films").head.files["README.md"].content.decode()
    assert 'name = "ada/films"' in pushed
    assert str(tmp_path) not in pushed
    assert run_lines(pushed)


def test_what_was_written_by_hand_stays(hub: Hub, fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    card = write_card(fetched)
    card.write_text(card.read_text() + "\nMade by hand.\n")
    push(fetched, Repository("ada/films"))
    assert "Made by hand." in hub.model("ada/films").head.files["README.md"].content.decode()


def test_paths_of_this_machine_are_not_told(fetched: Path) -> None:
    override(fetched, {"data.path": "/home/ada/secret/films.csv", "data.name": None})
    card = write_card(fetched).read_text()
    assert "films.csv" in card
    assert "/home/ada" not in card


def test_what_differs_from_the_recipe(fetched: Path) -> None:
    assert "No key was changed" in write_card(fetched).read_text()
    results = json.loads((fetched / "results.json").read_text())
    changed = compose.compose(["recipe=sst2", "seed=7", "data.path=/home/ada/secret/films.csv", "hub.push=ada/films"])
    (fetched / "results.json").write_text(json.dumps(results | {"changed": changed.changes.to_json()}))
    card = write_card(fetched).read_text()
    assert "with the seed 42" in card, "the recipe of the run"
    assert "- `seed: 42 -> 7`\n- `data.path: null -> films.csv`\n\n" in card
    assert "hub.push" not in card


def test_no_run_no_card(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run"):
        write_card(tmp_path)


def test_the_languages_of_every_sample_are_known() -> None:
    own = {name for name in data_set_names() if packages_of_data_set(name) == (DISTRIBUTION,)}
    assert set(run_facts.SAMPLES) == own
