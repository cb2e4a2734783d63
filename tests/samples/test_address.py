from pathlib import Path

import pytest

from finetune.samples.address import convert_address, iob2, load_address
from finetune.samples.split import SampleRow, fold

HEAD_OFFICE = (
    "<AddressNumber>3600</AddressNumber> <StreetName>Martin</StreetName> <StreetName>Luther</StreetName> "
    "<StreetNamePostType>Ave,</StreetNamePostType> <OccupancyIdentifier>A </OccupancyIdentifier>"
)


def rows_of(path: Path, *addresses: str) -> list[SampleRow]:
    text = "".join(f"<AddressString>{address}</AddressString>\n" for address in addresses)
    path.write_text(f"<AddressCollection>{text}</AddressCollection>", encoding="utf-8")
    return [row for rows in convert_address(path).values() for row in rows]


def test_words_keep_their_punctuation_and_get_iob2_labels(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "a.xml", HEAD_OFFICE) == [
        {
            "tokens": ["3600", "Martin", "Luther", "Ave,", "A"],
            "labels": [
                "B-AddressNumber",
                "B-StreetName",
                "I-StreetName",
                "B-StreetNamePostType",
                "B-OccupancyIdentifier",
            ],
        }
    ]


def test_of_like_addresses_the_first_is_kept(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path / "a.xml", HEAD_OFFICE, HEAD_OFFICE.replace("Ave,", "AVE"))) == 1


def test_addresses_that_differ_in_numbers_share_a_split(tmp_path: Path) -> None:
    neighbours = [HEAD_OFFICE.replace("3600", str(number)) for number in range(100, 140)]
    assert len(rows_of(tmp_path / "a.xml", *neighbours)) == len(neighbours)
    assert sum(bool(rows) for rows in convert_address(tmp_path / "a.xml").values()) == 1


def test_a_part_begins_where_the_label_changes() -> None:
    assert iob2(["A", "A", "B", "A"]) == ["B-A", "I-A", "B-B", "B-A"]
    assert iob2([]) == []


@pytest.mark.network
def test_the_real_addresses(needs_network: None) -> None:
    splits = {split: load_address(split, ("tokens", "labels")) for split in ("train", "dev", "test")}
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 1011, "dev": 153, "test": 306}
    labels = {name: {label for row in rows for label in as_list(row["labels"])} for name, rows in splits.items()}
    assert labels["dev"] | labels["test"] <= labels["train"]
    assert len({label.removeprefix("B-") for label in labels["train"] if label.startswith("B-")}) == 29
    rows = [row for rows in splits.values() for row in rows]
    assert all(len(as_list(row["tokens"])) == len(as_list(row["labels"])) > 0 for row in rows)
    assert all(token and not any(map(str.isspace, token)) for row in rows for token in as_list(row["tokens"]))
    assert len({fold(" ".join(as_list(row["tokens"]))) for row in rows}) == len(rows)


def as_list(value: object) -> list[str]:
    assert isinstance(value, list)
    return value
