"""Several sources, groups and subsets."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data import Field, LoadedData, load_data
from finetune.data.cutting import cut
from finetune.data.mixing import shares
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))


def write(folder: Path, name: str, count: int, header: str = "text,label", label: str = "") -> str:
    lines = [f"{name} {number},{label or 'ab'[number % 2]}" for number in range(count)]
    (folder / f"{name}.csv").write_text("\n".join([header, *lines]))
    return str(folder / f"{name}.csv")


def mixed(*sources: Mapping[str, object], **options: object) -> LoadedData:
    return load_data(Data.model_validate({"sources": sources, **options}), FIELDS)


def counts(loaded: LoadedData) -> Counter[str]:
    return Counter(text.split()[0] for text in loaded.train["text"])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0.1, 10)), min_size=1, max_size=4), st.integers(0, 2**31))
def test_every_example_is_there_as_often_as_any_other_of_its_source(
    sources: list[tuple[int, float]], seed: int
) -> None:
    sizes, weights = zip(*sources, strict=True)
    drawn = shares(sizes, weights, seed)
    longest = max(size / weight for size, weight in sources)
    for indices, size, weight in zip(drawn, sizes, weights, strict=True):
        times = np.bincount(indices, minlength=size)
        assert len(times) == size
        assert times.min() >= 1, "nothing is left out"
        assert times.max() - times.min() <= 1
        assert abs(len(indices) - longest * weight) <= 1


def test_weights_are_shares_of_an_epoch(tmp_path: Path) -> None:
    a, b = write(tmp_path, "a", 100), write(tmp_path, "b", 20)
    options = {"dev_share": 0.1, "test_share": 0.1}
    loaded = mixed({"path": a, "weight": 1}, {"path": b, "weight": 3}, **options)
    assert counts(loaded) == {"a": 80, "b": 240}
    assert [len(loaded.dev), len(loaded.test)] == [12, 12], "of all sources, once"
    assert any("80 of data.sources[0]" in note and "320 examples an epoch" in note for note in loaded.notes)
    first = Counter(text.split()[0] for text in loaded.train["text"][:40])
    assert first == {"a": 10, "b": 30}, "any piece is mixed as the whole is"
    again = mixed({"path": a, "weight": 1}, {"path": b, "weight": 3}, **options)
    assert again.train["text"][:] == loaded.train["text"][:]


def test_without_weights_every_example_is_there_once_and_numbers_differ(tmp_path: Path) -> None:
    loaded = mixed({"path": write(tmp_path, "a", 30)}, {"path": write(tmp_path, "b", 10)})
    assert counts(loaded) == {"a": 24, "b": 8}
    ids = [id_ for split in (loaded.train, loaded.dev, loaded.test) for id_ in split["id"]]
    assert len(set(loaded.train["id"])) == 32
    assert min(ids) >= 0


def test_sources_have_columns_filters_and_labels_of_their_own(tmp_path: Path) -> None:
    a, b = write(tmp_path, "a", 20), write(tmp_path, "b", 20, header="body,verdict", label="c")
    renamed = {"text": "body", "label": "verdict"}
    loaded = mixed({"path": a, "filter": "label == 'a'"}, {"path": b, "columns": renamed})
    assert loaded.labels["label"] == ("a", "c")
    assert counts(loaded) == {"a": 8, "b": 16}


def test_mistakes_name_the_source(tmp_path: Path) -> None:
    sources = [{"path": write(tmp_path, "a", 20)}, {"path": write(tmp_path, "b", 9, header="txt,label")}]
    with pytest.raises(UserError, match="there is no column 'text'") as caught:
        mixed(*sources, {"path": "none.csv"})
    assert "data.sources[1]" in str(caught.value)
    assert "data.sources[2]" in str(caught.value)
    (tmp_path / "c.csv").write_text("text,label\n" + "a,\n" * 20)
    with pytest.raises(UserError, match="no row has a label") as caught:
        mixed(sources[0], {"path": str(tmp_path / "c.csv")})
    assert "data.sources[1]" in str(caught.value)


def test_files_of_several_names_are_read_as_one(tmp_path: Path) -> None:
    paths = [write(tmp_path, name, 10) for name in "ab"]
    (tmp_path / "c.jsonl").write_text('{"text": "c 0", "label": "a"}\n' * 10)
    loaded = load_data(Data.model_validate({"path": [*paths, str(tmp_path / "c.jsonl")]}), FIELDS)
    assert sum(map(len, (loaded.train, loaded.dev, loaded.test))) == 30
    assert set(counts(loaded)) == {"a", "b", "c"}
    assert load_data(Data(path=str(tmp_path / "[ab].csv")), FIELDS).train.num_rows == 16


@given(st.lists(st.integers(0, 12), min_size=8, max_size=60), st.integers(0, 2**31))
def test_groups_stay_together(groups: list[int], seed: int) -> None:
    data = Data(path="a.csv", group_column="author", split_seed=seed, dev_share=0.2, test_share=0.2)
    try:
        plan = cut(len(groups), ["dev", "test"], data, "a.csv", list(groups))
    except UserError as error:
        if len(set(groups)) >= 6 or "too few groups" not in error.problem:
            raise
        return
    splits = [plan.train, plan.parts["dev"], plan.parts["test"]]
    assert sorted(index for split in splits for index in split) == list(range(len(groups)))
    assert all(splits)
    held = [{groups[index] for index in split} for split in splits]
    assert sum(map(len, held)) == len(set(groups))


def test_groups_of_one_are_cut_near_their_shares(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,author\n" + "".join(f"t{n},{'ab'[n % 2]},{n // 4}\n" for n in range(400)))
    loaded = load_data(Data(path=str(path), group_column="author", dev_share=0.1, test_share=0.2), FIELDS)
    assert [len(loaded.train), len(loaded.dev), len(loaded.test)] == [280, 40, 80]
    authors = [{id_ // 4 for id_ in split["id"]} for split in (loaded.train, loaded.dev, loaded.test)]
    assert sum(map(len, authors)) == 100
    assert any("groups of author together" in note for note in loaded.notes)
    with pytest.raises(UserError, match="there is no column 'auther'") as caught:
        load_data(Data(path=str(path), group_column="auther"), FIELDS)
    assert "data.group_column=author" in str(caught.value)


def test_one_group_cannot_be_cut(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,author\n" + "t,a,me\n" * 20)
    with pytest.raises(UserError, match="too few groups"):
        load_data(Data(path=str(tmp_path / "a.csv"), group_column="author"), FIELDS)


def test_subsets_by_share_and_by_chance(tmp_path: Path) -> None:
    path = write(tmp_path, "a", 100)
    first = load_data(Data(path=path, max_train_examples=0.25, max_dev_examples=3), FIELDS)
    assert len(first.train) == 20
    assert "train: the first 20 of 80 examples (data.max_train_examples)" in first.notes
    random = load_data(Data(path=path, max_train_examples=0.25, subset="random"), FIELDS)
    whole = load_data(Data(path=path), FIELDS)
    ids = random.train["id"][:]
    assert len(ids) == 20
    assert ids == sorted(ids)
    assert set(ids) < set(whole.train["id"])
    assert ids != whole.train["id"][:20]
    assert ids == load_data(Data(path=path, max_train_examples=20, subset="random"), FIELDS).train["id"][:]


def test_the_place_of_an_example_is_told_by_its_source(tmp_path: Path) -> None:
    loaded = mixed(*({"path": write(tmp_path, name, 20)} for name in ("one", "two")))
    for split in ("train", "dev", "test"):
        for row in getattr(loaded, split):
            name, number = row["text"].split()
            assert loaded.where(split, row["id"]).endswith(f"{name}.csv, line {int(number) + 2}")
