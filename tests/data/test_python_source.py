"""Rows from a function of the user's."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError, UserErrors
from finetune.recipe import Data
from tests.packages import Brings
from tests.packages import brings as brings

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
ROWS = "[{'text': f'{split} {number}', 'label': 'ab'[number % 2], 'more': number} for number in range(20)]"


def read(folder: Path, body: str, name: str = "load", **options: object) -> LoadedData:
    path = folder / "mine.py"
    path.write_text(body)
    return load_data(Data.model_validate({"function": f"{path}:{name}", **options}), FIELDS)


@pytest.mark.parametrize(
    "body",
    [
        f"def load(split):\n    return {ROWS}",
        f"def load(split):\n    yield from {ROWS}",
        f"from datasets import Dataset\ndef load(split):\n    return Dataset.from_list({ROWS})",
    ],
    ids=["list", "generator", "Dataset"],
)
def test_rows_of_every_split(body: str, tmp_path: Path) -> None:
    loaded = read(tmp_path, body)
    assert loaded.train[3] == {"id": 3, "text": "train 3", "label": "b"}
    assert [len(loaded.train), len(loaded.dev), len(loaded.test)] == [20, 20, 20]
    assert loaded.test["text"][0] == "test 0"


def test_splits_that_are_none_are_cut_from_train_and_the_function_comes_before_all(tmp_path: Path) -> None:
    body = f"def load(split):\n    yield from {ROWS} if split == 'train' else ()"
    loaded = read(tmp_path, body, name="load", path="nowhere.csv", sample="address")
    assert sorted(len(split) for split in (loaded.train, loaded.dev, loaded.test)) == [2, 2, 16]


def test_a_module_and_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_corpus.py").write_text(f"def load(split):\n    return {ROWS}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_corpus", raising=False)
    assert len(load_data(Data(function="my_corpus:load"), FIELDS).train) == 20
    point = importlib.metadata.EntryPoint("corpus", "my_corpus:load", "finetune.data")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    assert len(load_data(Data(function="corpus"), FIELDS).train) == 20
    with pytest.raises(UserError, match="no installed package brings a data set 'corpsu'") as caught:
        load_data(Data(function="corpsu"), FIELDS)
    assert caught.value.fix == "did you mean data.function=corpus?"


TOY = f"""
CALLS = []

def load(split, columns):
    CALLS.append((split, tuple(columns)))
    return {ROWS} if split != "dev" else []

def fails(split):
    return [{{"text": 1 / 0}}]

def lacks(split):
    return [{{"txt": "a", "label": "b"}}]

NAMES = ["no function"]
"""


@pytest.fixture
def toy_package(tmp_path: Path, brings: Brings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that brings data sets."""
    points = {name: f"toy_data:{name}" for name in ("fails", "lacks")}
    brings("toy-data", "finetune.data", toy="toy_data:load", names="toy_data:NAMES", gone="toy_data:gone", **points)
    (tmp_path / "toy-data" / "toy_data.py").write_text(TOY)
    yield
    sys.modules.pop("toy_data", None)


def test_a_data_set_of_a_package_is_given_the_columns_that_are_read(toy_package: None) -> None:
    fields = (Field("text", "text", "text"), Field("label", "label", "label"))
    loaded = load_data(Data(sample="toy", filter="more < 10"), fields)
    assert loaded.train[0] == {"id": 0, "text": "train 0", "label": "a"}
    assert loaded.test["text"][:] == [f"test {number}" for number in range(10)]
    assert len(loaded.train) + len(loaded.dev) == 10, "the dev split, which has no rows, is cut from train"
    asked = sys.modules["toy_data"].CALLS
    assert asked == [(split, ("text", "label", "more")) for split in ("train", "dev", "test")]
    assert load_data(Data(function="toy"), fields).train["text"][0].startswith("train")


def test_a_data_set_of_a_package_is_one_of_several_sources(toy_package: None) -> None:
    data = Data.model_validate({"sources": [{"sample": "toy"}, {"sample": "toy", "columns": {"label": "more"}}]})
    assert len(load_data(data, FIELDS).test) == 40


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("tou", "no installed package brings a data set 'tou'", "did you mean data.sample=toy?"),
        ("mine.py:load", "no installed package brings", "data.function=mine.py:load, where a Python function"),
        ("names", "the data set 'names' is not a function", "an entry point of toy-data"),
        ("gone", "the data set 'gone' cannot be loaded", "comes from the package toy-data"),
        ("fails", "data.sample fails for the split train", "toy_data.py, line 9"),
        ("lacks", "there is no column 'text'", "the lacks sample, split train"),
    ],
)
def test_mistakes_of_data_sets_of_packages(name: str, problem: str, hint: str, toy_package: None) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        load_data(Data(sample=name), FIELDS)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("body", "problem", "hint"),
    [
        ("def lod(split): ...", "has no function 'load'", "mine.py:lod"),
        ("def load(split): return 1 / 0", "fails for the split train", "ZeroDivisionError: division by zero"),
        ("def load(split):\n    yield {'text': 'a', 'label': 'b'}\n    boom()", "fails for the split", "line 3"),
        ("import nothing_like_it", "the module of", "No module named 'nothing_like_it'"),
        ("def load(split:", "the module of", "mine.py, line 1"),
        ("def load(split): return None", "gives nothing for train", "None or nothing for splits"),
        ("def load(split): yield from ()", "gives nothing for train", "None or nothing for splits"),
        ("def load(split): return 3", "gives no rows", "found:    3"),
        ("def load(split): return {'text': ['a']}", "gives no rows", "dictionaries"),
        ("def load(split): return {'text': ['a']}", "gives no rows", "datasets.Dataset.from_dict(...) makes rows of"),
        (
            "import numpy as np\ndef load(split): return {'t': np.eye(2)}",
            "gives no rows",
            "array([[1., 0.], [0., 1.]])",
        ),
        ("def load(split): return [{'text': 'a', 'label': 'b'}, ('a', 'b')]", "is no dictionary", "row 1 (counted"),
        ("def load(split): return [{'txt': 'a', 'label': 'b'}]", "there is no column 'text'", "data.columns.text=txt"),
        ("def load(split): return [{'text': '', 'label': 'b'}]", "1 row without text", "mine.py:load, split train"),
    ],
)
def test_mistakes(body: str, problem: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read(tmp_path, body)
    assert hint in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        load_data(Data(function=f"{tmp_path}/none.py:load"), FIELDS)
    with pytest.raises(UserError, match="there is no module 'no_such_package'"):
        load_data(Data(function="no_such_package.data:load"), FIELDS)


@pytest.mark.parametrize(
    "change", ["shuffle(seed=1)", "filter(lambda row: row['label'])", "select(range(5, 25))", "sort('text')"]
)
def test_rows_of_a_dataset_keep_their_labels_whatever_was_done_to_it(tmp_path: Path, change: str) -> None:
    (tmp_path / "changed.py").write_text(
        "from datasets import Dataset\n"
        "def load(split):\n"
        "    rows = [{'text': f'{number} {number % 3 % 2}', 'label': number % 3 % 2} for number in range(40)]\n"
        f"    return Dataset.from_list(rows).{change}\n"
    )
    fields = (Field("text", "text", "text"), Field("label", "label", "label"))
    found = load_data(Data(function=f"{tmp_path / 'changed.py'}:load"), fields)
    rows = found.train.to_list()
    assert len(rows) > 5
    assert all(row["text"].split()[1] == row["label"] for row in rows)


@pytest.mark.parametrize(
    "rows",
    [
        "pandas.DataFrame({'text': TEXTS, 'label': numpy.array(LABELS)})",
        "pandas.DataFrame({'text': TEXTS, 'label': pandas.array(LABELS, dtype='Int64')})",
        "[{'text': text, 'label': label} for text, label in zip(TEXTS, numpy.array(LABELS))]",
        "({'text': text, 'label': numpy.str_(label)} for text, label in zip(TEXTS, LABELS))",
        "pyarrow.table({'text': TEXTS, 'label': LABELS})",
        "datasets.Dataset.from_dict({'text': TEXTS, 'label': LABELS})",
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_function_gives_rows_as_people_have_them(tmp_path: Path, rows: str, streaming: bool) -> None:
    (tmp_path / "given.py").write_text(
        "import datasets, numpy, pandas, pyarrow\n"
        "TEXTS, LABELS = ['a', 'b', 'c'], [0, 1, 0]\n"
        f"def load(split):\n    return {rows}\n"
    )
    fields = (Field("text", "text", "text"), Field("label", "label", "label"))
    found = load_data(Data(function=f"{tmp_path / 'given.py'}:load", streaming=streaming), fields)
    assert (found.train["text"][:], found.train["label"][:]) == (["a", "b", "c"], ["0", "1", "0"])


@pytest.mark.parametrize("tokens", ["numpy.array(['a', 'b'])", "['a', numpy.str_('b')]"])
def test_words_and_labels_may_be_arrays(tmp_path: Path, tokens: str) -> None:
    (tmp_path / "arrays.py").write_text(
        f"import numpy\ndef load(split):\n    return [{{'tokens': {tokens}, 'labels': numpy.array([0, 1])}}]\n"
    )
    fields = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))
    found = load_data(Data(function=f"{tmp_path / 'arrays.py'}:load"), fields)
    assert (found.train["tokens"][0], found.train["labels"][0]) == (["a", "b"], ["0", "1"])


def test_an_empty_cell_of_a_data_frame_is_a_row_without_content(tmp_path: Path) -> None:
    (tmp_path / "gaps.py").write_text(
        "import pandas\ndef load(split):\n"
        "    return pandas.DataFrame({'text': ['a', None, 'c'], 'label': [1, 0, None]})\n"
    )
    fields = (Field("text", "text", "text"), Field("label", "label", "label"))
    with pytest.raises(UserErrors) as caught:
        load_data(Data(function=f"{tmp_path / 'gaps.py'}:load"), fields)
    assert "1 row without text" in str(caught.value)
    assert "1 row without a label" in str(caught.value)
