import json
from pathlib import Path

import pytest

from finetune.drafting.formats import find_format
from finetune.errors import UserError
from tests.drafting.tables import values


def found(path: Path, text: str) -> dict[str, object]:
    path.write_text(text)
    return values(find_format(path, None))


def test_the_name_tells(tmp_path: Path) -> None:
    assert found(tmp_path / "a.csv", "nothing like a table") == {}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (json.dumps([{"a": 1}]), {"data.format": "json"}),
        ('{"a": 1}\n{"a": 2}\n', {"data.format": "jsonl"}),
        ("a\tb\nc\td\n", {"data.format": "tsv"}),
        ("a;b\nc, d;e\n", {"data.format": "csv", "data.delimiter": ";"}),
        ('a,"b\nb"\nc,d\n', {"data.format": "csv", "data.delimiter": ","}),
        ("Ada B-PER\nruns O\n\nShe O\n", {"data.format": "conll"}),
        ("Ada\tB-PER\nruns\tO\n\nShe\tO\n", {"data.format": "conll"}),
    ],
)
def test_the_lines_tell(text: str, keys: dict[str, object], tmp_path: Path) -> None:
    assert found(tmp_path / "a.txt", text) == keys


@pytest.mark.parametrize("text", ["a word\nanother one, or two\n", "text@label\nmore@good\n", "a,b;c\nd,e;f\n", "\n"])
def test_nothing_tells(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither the file's name nor its first lines tell its format") as raised:
        found(tmp_path / "a.txt", text)
    assert "data.format=csv" in str(raised.value)
