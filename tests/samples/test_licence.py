from collections import Counter
from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.samples.licence import FEWEST_TEXTS, Licence, convert_licence, licence_family, load_licence, read_licences
from finetune.samples.split import SampleRow, SampleSplits, fold

ZLIB = """---
key: zlib
name: ZLIB License
category: Permissive
notes: |
    Per SPDX.org, this is OSI certified
    ---
---

This software is provided 'as-is'.

    ---
Altered versions must
be marked.
"""


def with_entry(line: str) -> str:
    return ZLIB.replace("name:", f"{line}\nname:")


def written(folder: Path, **texts: str) -> Path:
    """A folder of licences, all Permissive, by key; _ stands for a dash."""
    for name, text in texts.items():
        key = name.replace("_", "-")
        (folder / f"{key}.LICENSE").write_text(f"---\nkey: {key}\ncategory: Permissive\n---\n{text}\n")
    return folder


def rows_of(splits: SampleSplits) -> list[SampleRow]:
    return [row for rows in splits.values() for row in rows]


def used(splits: SampleSplits) -> set[str]:
    return {name for name, rows in splits.items() if rows}


def test_a_file_is_its_entry_and_the_text_after_it() -> None:
    text = "This software is provided 'as-is'. --- Altered versions must be marked."
    assert read_licences(ZLIB) == Licence("zlib", "Permissive", text)


@pytest.mark.parametrize("line", ["language: fr", "is_deprecated: yes", "is_generic: yes"])
def test_what_is_left_out(line: str) -> None:
    assert read_licences(with_entry(line)) is None


def test_what_is_left_in() -> None:
    assert (
        read_licences(with_entry("language: en"))
        == read_licences(ZLIB)
        == read_licences(with_entry("is_exception: yes"))
    )


def test_an_entry_without_a_text_is_left_out() -> None:
    assert read_licences("---\nkey: see-elsewhere\ncategory: Commercial\n---\n\n") is None


def test_rows_have_the_columns(tmp_path: Path) -> None:
    assert rows_of(convert_licence(written(tmp_path, mit="Do as you like."), fewest_texts=1)) == [
        {"text": "Do as you like.", "label": "Permissive", "key": "mit"}
    ]


def test_of_like_texts_the_first_is_kept(tmp_path: Path) -> None:
    [row] = rows_of(convert_licence(written(tmp_path, a="Do as you like!", b="do as\nyou like"), fewest_texts=1))
    assert row["key"] == "a"


def test_small_categories_are_left_out(tmp_path: Path) -> None:
    texts = {f"mit_{number}": f"Text number {number}." for number in range(3)}
    (written(tmp_path, **texts) / "zlib.LICENSE").write_text(ZLIB.replace("Permissive", "Commercial"))
    assert {row["label"] for row in rows_of(convert_licence(tmp_path, fewest_texts=2))} == {"Permissive"}
    assert len(rows_of(convert_licence(tmp_path, fewest_texts=1))) == len(texts) + 1


def test_versions_share_a_split(tmp_path: Path) -> None:
    texts = {f"gpl_{number}.0_plus": f"Text number {number}." for number in range(40)}
    assert len(used(convert_licence(written(tmp_path, **texts), fewest_texts=1))) == 1


def test_texts_made_from_one_another_share_a_split(tmp_path: Path) -> None:
    template = " ".join(f"word{number}" for number in range(60))
    names = [f"owner{chr(ord('a') + number)}" for number in range(26)]
    like = convert_licence(written(tmp_path, **{name: f"{name} says: {template}" for name in names}), fewest_texts=1)
    assert len(used(like)) == 1
    unlike = convert_licence(written(tmp_path, **{name: f"{name} says nothing" for name in names}), fewest_texts=1)
    assert len(used(unlike)) > 1


def test_a_family_is_what_comes_before_the_version() -> None:
    assert {licence_family(key) for key in ("gpl-1.0", "gpl-2.0-plus", "gpl-v3")} == {"gpl"}
    assert licence_family("cc-by-nc-4.0") == "cc-by-nc"
    assert licence_family("3com-microcode") == "3com-microcode"
    assert licence_family("ms-asp-net-mvc3") == "ms-asp-net-mvc3"


def test_an_unknown_column_is_told() -> None:
    with pytest.raises(UserError, match=r"no column 'name'(.|\n)*text, label, key"):
        load_licence("train", ("text", "name"))


@pytest.mark.network
def test_the_real_licences(needs_network: None) -> None:
    splits = {split: load_licence(split, ("text", "label", "key")) for split in ("train", "dev", "test")}
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 1246, "dev": 205, "test": 521}
    labels = {name: {row["label"] for row in rows} for name, rows in splits.items()}
    assert labels["train"] == labels["dev"] == labels["test"]
    rows = rows_of(splits)
    assert min(Counter(row["label"] for row in rows).values()) >= FEWEST_TEXTS
    texts = [str(row["text"]) for row in rows]
    assert len({fold(text) for text in texts}) == len({row["key"] for row in rows}) == len(rows)
    assert all(text and text == " ".join(text.split()) for text in texts)
    families = {name: {licence_family(str(row["key"])) for row in rows} for name, rows in splits.items()}
    assert not families["train"] & families["test"]
    assert not families["dev"] & (families["train"] | families["test"])
