"""Data sets of a Hub, here one on this machine."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Translation, Value
from huggingface_hub import constants

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data
from tests.hub_server.hub import Hub
from tests.hub_server.library import add_dataset, add_script

PAIRS = (Field("source", "text", "translation.en"), Field("target", "text", "translation.de"))
FIELDS = (Field("text", "text", "sentence"), Field("label", "label", "label"))
UNREACHABLE = "http://127.0.0.1:9"


def translations(count: int) -> Dataset:
    rows = {"translation": [{"de": f"Haus {i}", "en": f"house {i}"} for i in range(count)]}
    return Dataset.from_dict(rows, features=Features(translation=Translation(["de", "en"])))


def reviews(labels: list[int]) -> Dataset:
    features = Features(sentence=Value("string"), label=ClassLabel(names=["negative", "positive"]))
    return Dataset.from_dict(
        {"sentence": [f"film {i}" for i in range(len(labels))], "label": labels}, features=features
    )


@pytest.fixture
def published(hub: Hub) -> Hub:
    splits = {"train": translations(20), "validation": translations(3), "test": translations(2)}
    add_dataset(hub, "owner/pairs", splits, configs=("de-en", "fr-en"))
    add_dataset(
        hub, "owner/reviews", {"train": reviews([0, 1] * 10), "validation": reviews([1]), "test": reviews([-1, -1])}
    )
    return hub


def read(folder: Path, fields: tuple[Field, ...], **options: object) -> LoadedData:
    return load_data(Data.model_validate({"cache_dir": folder / "cache", **options}), fields)


def test_nested_columns_by_dotted_path(published: Hub, tmp_path: Path) -> None:
    loaded = read(tmp_path, PAIRS, name="owner/pairs", config="de-en")
    assert loaded.dev.to_list() == [{"id": i, "source": f"house {i}", "target": f"Haus {i}"} for i in range(3)]
    assert [len(split) for split in (loaded.train, loaded.dev, loaded.test)] == [20, 3, 2]
    assert loaded.notes == ()


def test_columns_stay_on_disk(published: Hub, tmp_path: Path) -> None:
    loaded = read(tmp_path, PAIRS, name="owner/pairs", config="de-en")
    assert [Path(file["filename"]).name for file in loaded.train.cache_files] == ["pairs-train.arrow"]


def test_class_numbers_become_names(published: Hub, tmp_path: Path) -> None:
    splits = {"dev": None, "test": "validation"}
    loaded = read(tmp_path, FIELDS, name="owner/reviews", splits=splits)
    assert loaded.labels == {"label": ("negative", "positive")}
    assert loaded.test.to_list() == [{"id": 0, "text": "film 0", "label": "positive"}]
    assert loaded.notes[0].startswith("no dev split: cut 10% (2 of 20 examples)")


def test_lists_of_class_numbers_become_names(hub: Hub, tmp_path: Path) -> None:
    features = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=["O", "B-PER"])))
    rows = Dataset.from_dict({"tokens": [["Ada", "sings"]] * 20, "ner_tags": [[1, 0]] * 20}, features=features)
    add_dataset(hub, "owner/names", {"train": rows})
    fields = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "ner_tags"))
    loaded = read(tmp_path, fields, name="owner/names", splits={"dev": None, "test": None})
    assert loaded.train["labels"][0] == ["B-PER", "O"]
    assert loaded.labels == {"labels": ("O", "B-PER")}


def test_a_test_split_without_labels_is_unlabelled_and_a_cut_is_proposed(published: Hub, tmp_path: Path) -> None:
    loaded = read(tmp_path, FIELDS, name="owner/reviews")
    assert "label" not in loaded.test.column_names
    (note,) = [note for note in loaded.notes if "unlabelled" in note]
    assert "owner/reviews, split test" in note
    assert "data.splits.test=null" in note


def test_single_rows_without_a_label(hub: Hub, tmp_path: Path) -> None:
    add_dataset(hub, "owner/gaps", {"train": reviews([0, 1, -1, 0])})
    with pytest.raises(UserError, match="1 row without a label") as caught:
        read(tmp_path, FIELDS, name="owner/gaps", splits={"dev": None, "test": None})
    assert "owner/gaps, split train, row 2 (counted from 0)" in str(caught.value)


def test_wrong_split_names_those_there_are(published: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no split 'valid'") as caught:
        read(tmp_path, FIELDS, name="owner/reviews", splits={"dev": "valid"})
    assert "train, validation, test" in str(caught.value)
    assert "data.splits.dev=validation; data.splits.dev=null" in str(caught.value)


def test_wrong_column_names_those_there_are(published: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no column 'translation\.fr'") as caught:
        read(tmp_path, (Field("source", "text", "translation.fr"),), name="owner/pairs", config="de-en")
    assert "translation.de, translation.en" in str(caught.value)
    assert str(caught.value).count("no column") == 1, "three splits share one mistake"


@pytest.mark.parametrize(
    ("config", "problem"), [("en-de", "no configuration en-de"), (None, "configuration is needed")]
)
def test_wrong_configuration_names_those_there_are(
    published: Hub, tmp_path: Path, config: str | None, problem: str
) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read(tmp_path, PAIRS, name="owner/pairs", config=config)
    assert "de-en, fr-en" in str(caught.value)


def test_data_set_that_does_not_exist(published: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data set owner/none on the Hub") as caught:
        read(tmp_path, FIELDS, name="owner/none")
    assert "data.name=owner/none" in str(caught.value)


def test_data_set_with_a_script_leads_to_the_hubs_conversion(hub: Hub, tmp_path: Path) -> None:
    add_script(hub, "owner/scripted")
    with pytest.raises(UserError, match=r"data\.revision=refs/convert/parquet"):
        read(tmp_path, FIELDS, name="owner/scripted")


def test_local_folder_does_not_stand_in_for_a_data_set(
    published: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "reviews").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data\.path=owner/reviews"):
        read(tmp_path, FIELDS, name="owner/reviews")


def test_cached_copy_is_used_and_told_where_the_hub_is_gone(
    published: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = read(tmp_path, PAIRS, name="owner/pairs", config="de-en")
    monkeypatch.setattr(constants, "ENDPOINT", UNREACHABLE)
    cached = read(tmp_path, PAIRS, name="owner/pairs", config="de-en")
    assert cached.train.to_list() == fetched.train.to_list()
    commit = published.repositories["datasets", "owner/pairs"].head.id
    assert f"cached copy, commit {commit}" in cached.notes[0]
    with pytest.raises(UserError, match="another revision"):
        read(tmp_path, PAIRS, name="owner/pairs", config="de-en", revision="f" * 40)


def test_configuration_that_is_not_cached_is_not_replaced_by_another(
    published: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tmp_path, PAIRS, name="owner/pairs", config="de-en")
    monkeypatch.setattr(constants, "ENDPOINT", UNREACHABLE)
    with pytest.raises(UserError, match="Hub cannot be reached, and the cache holds no copy"):
        read(tmp_path, PAIRS, name="owner/pairs", config="fr-en")
