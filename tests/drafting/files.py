"""Data of every kind, written into a folder, with the path that is given to `finetune init`."""

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict

GOOD = ("The film was a joy to watch and I would see it again", "What a lovely story it is, with a fine cast")
BAD = ("The plot is dull and the jokes are not funny at all", "I was bored by it and left before the end")
GERMAN = ("Der Film war eine Freude und ich sehe ihn wieder", "Die Handlung ist langweilig und nicht witzig")
ROWS = [(f"{text}, says viewer {number}.", label) for number in range(30) for text, label in zip(
    (*GOOD, *BAD), ("good", "good", "bad", "bad"), strict=True)]  # fmt: skip
PAIRS = [(text, f"{german}, sagt Nummer {number}.") for number, ((text, _), german) in enumerate(
    zip(ROWS, GERMAN * 60, strict=True))]  # fmt: skip
SENTENCES = [
    (["Ada", "Lovelace", "lived", "in", "the", "City", "of", f"Town{number}", "."],
     ["B-PER", "I-PER", "O", "O", "O", "B-LOC", "I-LOC", "I-LOC", "O"])
    for number in range(60)
]  # fmt: skip
OBJECTS = [{"id": number, "review": text, "stars": label} for number, (text, label) in enumerate(ROWS)]


def write_table(path: Path, rows: list[tuple[Any, ...]], delimiter: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def _csv(folder: Path, delimiter: str = ",", encoding: str = "utf-8", name: str = "a.csv") -> Path:
    rows = [(text.replace("lovely", "schöne"), label) for text, label in ROWS]
    write_table(folder / name, [("review", "stars"), *rows], delimiter, encoding)
    return folder / name


def _tsv(folder: Path) -> Path:
    (folder / "a.tsv").write_text("review\tstars\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS))
    return folder / "a.tsv"


def _without_header(folder: Path) -> Path:
    (folder / "a.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in ROWS))
    return folder / "a.tsv"


def _packed(folder: Path) -> Path:
    (folder / "a.csv.gz").write_bytes(gzip.compress(_csv(folder).read_bytes()))
    return folder / "a.csv.gz"


def _json(folder: Path) -> Path:
    (folder / "a.json").write_text(json.dumps(OBJECTS))
    return folder / "a.json"


def _jsonl(folder: Path, objects: list[dict[str, Any]] = OBJECTS) -> Path:
    (folder / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    return folder / "a.jsonl"


def _parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(OBJECTS), folder / "a.parquet")
    return folder / "a.parquet"


def _saved(folder: Path) -> Path:
    Dataset.from_list(OBJECTS).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def _saved_splits(folder: Path) -> Path:
    parts = {"train": OBJECTS[:80], "validation": OBJECTS[80:100], "test": OBJECTS[100:]}
    DatasetDict({name: Dataset.from_list(part) for name, part in parts.items()}).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def _folder(folder: Path) -> Path:
    for name, rows in (("train", ROWS[:80]), ("dev", ROWS[80:100]), ("test", ROWS[100:])):
        write_table(folder / f"{name}.csv", [("review", "stars"), *rows])
    return folder


def _multi_label(folder: Path) -> Path:
    topics: tuple[list[str], ...] = (["film"], ["film", "story"], [], ["story", "cast"])
    return _jsonl(folder, [{"text": text, "topics": topics[n % 4]} for n, (text, _) in enumerate(ROWS)])


def _separated_labels(folder: Path) -> Path:
    topics = ("film", "film;story", "cast", "story;cast")
    write_table(folder / "a.csv", [("text", "topics"), *((text, topics[n % 4]) for n, (text, _) in enumerate(ROWS))])
    return folder / "a.csv"


def _flags(folder: Path) -> Path:
    rows = [(text, n % 2, n % 3 // 2, n // 3 % 2) for n, (text, _) in enumerate(ROWS)]
    write_table(folder / "a.csv", [("comment", "toxic", "insult", "threat"), *rows])
    return folder / "a.csv"


def _regression(folder: Path) -> Path:
    write_table(folder / "a.csv", [("text", "score"), *((text, n / 8) for n, (text, _) in enumerate(ROWS))])
    return folder / "a.csv"


def _pairs(folder: Path) -> Path:
    rows = [(text, f"Viewer {n} says: {text}", n % 2) for n, (text, _) in enumerate(ROWS)]
    write_table(folder / "a.csv", [("sentence1", "sentence2", "label"), *rows])
    return folder / "a.csv"


def _translation_table(folder: Path) -> Path:
    write_table(folder / "a.csv", [("english", "german"), *PAIRS])
    return folder / "a.csv"


def _nested(folder: Path) -> Path:
    return _jsonl(folder, [{"translation": {"en": one, "de": two}} for one, two in PAIRS])


def _parallel(folder: Path) -> Path:
    for split, rows in (("train", PAIRS[:80]), ("dev", PAIRS[80:100]), ("test", PAIRS[100:])):
        for at, language in enumerate(("en", "de")):
            (folder / f"{split}.{language}").write_text("".join(f"{row[at]}\n" for row in rows))
    return folder


def _tmx(folder: Path) -> Path:
    units = "".join(
        f'<tu><tuv xml:lang="en"><seg>{one}</seg></tuv><tuv xml:lang="de"><seg>{two}</seg></tuv></tu>'
        for one, two in PAIRS
    )
    (folder / "a.tmx").write_text(f'<tmx version="1.4"><header srclang="en"/><body>{units}</body></tmx>')
    return folder / "a.tmx"


def _xliff(folder: Path) -> Path:
    units = "".join(
        f'<trans-unit id="{n}"><source>{one}</source><target>{two}</target></trans-unit>'
        for n, (one, two) in enumerate(PAIRS)
    )
    file = f'<file source-language="en" target-language="de"><body>{units}</body></file>'
    (folder / "a.xlf").write_text(f'<xliff version="1.2">{file}</xliff>')
    return folder / "a.xlf"


def _summaries(folder: Path) -> Path:
    return _jsonl(folder, [{"id": n, "document": text * 3, "summary": text} for n, (text, _) in enumerate(ROWS)])


def _conll(folder: Path, name: str = "a.conll", delimiter: str = " ") -> Path:
    lines = ["".join(f"{w}{delimiter}{label}\n" for w, label in zip(*one, strict=True)) for one in SENTENCES]
    (folder / name).write_text("\n".join(lines))
    return folder / name


def _tokens(folder: Path) -> Path:
    return _jsonl(folder, [{"tokens": words, "ner_tags": labels} for words, labels in SENTENCES])


def _written_tokens(folder: Path) -> Path:
    write_table(folder / "a.csv", [("tokens", "tags"), *((str(words), str(labels)) for words, labels in SENTENCES)])
    return folder / "a.csv"


def _single_words(folder: Path) -> Path:
    rows = [
        (f"Sentence: {n + 1}" if not at else "", word, label)
        for n, one in enumerate(SENTENCES)
        for at, (word, label) in enumerate(zip(*one, strict=True))
    ]
    write_table(folder / "a.csv", [("Sentence #", "Word", "Tag"), *rows])
    return folder / "a.csv"


def _spans(folder: Path) -> Path:
    return _jsonl(folder, [{"text": " ".join(words), "label": [[0, 12, "PER"]]} for words, _ in SENTENCES])


WRITERS: Mapping[str, Callable[[Path], Path]] = {
    "csv": _csv,
    "semicolons": lambda folder: _csv(folder, ";"),
    "cp1252": lambda folder: _csv(folder, ";", "cp1252"),
    "utf-16": lambda folder: _csv(folder, ",", "utf-16"),
    "no ending": lambda folder: _csv(folder, ";", name="reviews.txt"),
    "tsv": _tsv,
    "without header": _without_header,
    "packed": _packed,
    "json": _json,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "saved": _saved,
    "saved splits": _saved_splits,
    "folder": _folder,
    "multi-label": _multi_label,
    "separated labels": _separated_labels,
    "flags": _flags,
    "regression": _regression,
    "pairs": _pairs,
    "translation table": _translation_table,
    "nested": _nested,
    "parallel": _parallel,
    "tmx": _tmx,
    "xliff": _xliff,
    "summaries": _summaries,
    "conll": _conll,
    "conll in tsv": lambda folder: _conll(folder, "a.tsv", "\t"),
    "tokens": _tokens,
    "written tokens": _written_tokens,
    "single words": _single_words,
    "spans": _spans,
}
"""A function for each kind of data, which writes it into a folder and returns the path to give."""
