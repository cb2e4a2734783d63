"""Encoding is done once: what was made from the same is read back, and what differs in anything is made anew."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from finetune import checksums
from finetune.data import encoding
from finetune.errors import UserError
from tests.test_checksums import DAMAGES

WORDS = [f"w{number}" for number in range(50)]
ROWS = 60
NAMES = frozenset({"word", "sentence", "segment", "is_cls", "mine"})


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache that takes splits of this size."""
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encoding, "_WORTH_KEEPING", ROWS)
    return tmp_path / "cache" / "features"


def split(rows: int = ROWS, *, changed: int | None = None, **columns: list[Any]) -> Dataset:
    texts = [f"{WORDS[row % 50]} {WORDS[row * 7 % 50]}" for row in range(rows)]
    if changed is not None:
        texts[changed] += " w1"
    return Dataset.from_dict({"text": texts} | columns)


def word_tokenizer(words: list[str] = WORDS) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(["?", *words])}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?", pad_token="?")  # type: ignore[no-untyped-call]


class Encoder:
    """Encodes, and counts how often."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast | None = None) -> None:
        self.tokenizer = tokenizer or word_tokenizer()
        self.calls = 0

    def __call__(self, examples: Dataset, *settings: Any) -> Dataset:
        def encode_batch(batch: Mapping[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
            self.calls += 1
            ids = self.tokenizer(batch["text"], truncation=True, max_length=2)["input_ids"]
            return {"input_ids": ids, "feature": indices, "cut": [False] * len(indices)}

        return encoding.encode(examples, encode_batch, self.tokenizer, *settings)


def test_a_second_run_tokenises_nothing(cache: Path) -> None:
    first, second = Encoder(), Encoder()
    made, read = first(split(), 1, {"a"}), second(split(), 1, {"a"})
    assert (first.calls, second.calls) == (1, 0)
    assert read.to_dict() == made.to_dict()
    assert read.features == made.features
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda: Encoder()(split(changed=ROWS - 1), 1, {"a"}),
        lambda: Encoder()(split(ROWS + 1), 1, {"a"}),
        lambda: Encoder()(split(mask_word=["1"] * ROWS), 1, {"a"}),
        lambda: Encoder()(split(), 2, {"a"}),
        lambda: Encoder()(split(), 1, {"a", "b"}),
        lambda: Encoder(word_tokenizer(WORDS[::-1]))(split(), 1, {"a"}),
    ],
    ids=["a row", "a row more", "a column", "a setting", "a column that masks read", "the tokenizer"],
)
def test_a_change_in_anything_is_noticed(cache: Path, other: Callable[[], Dataset]) -> None:
    Encoder()(split(), 1, {"a"})
    other()
    assert len(list(cache.iterdir())) == 2


def test_a_tokenizer_that_was_used_is_the_same_tokenizer() -> None:
    """Each call leaves its own truncation and padding in the tokenizer."""
    encoder = Encoder()
    encoder(split())
    encoder.tokenizer(["w1", "w1 w2"], truncation=True, max_length=1, padding=True)
    encoder(split())
    assert encoder.calls == 1


def test_small_splits_are_not_kept(cache: Path) -> None:
    encoder = Encoder()
    for _ in range(2):
        encoder(split(ROWS - 1))
    assert encoder.calls == 2
    assert not cache.exists()


def test_datasets_own_switch_turns_it_off(cache: Path) -> None:
    datasets.disable_caching()
    try:
        Encoder()(split())
    finally:
        datasets.enable_caching()
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "file"))
    assert len(Encoder()(split())) == ROWS


def test_what_fails_leaves_nothing(cache: Path) -> None:
    def fail(batch: Mapping[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
        raise UserError("a wrong row")

    with pytest.raises(UserError, match="a wrong row"):
        encoding.encode(split(), fail, word_tokenizer())
    assert list(cache.iterdir()) == []


def test_the_longest_unused_goes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder()
    for days, setting in ((100, "old"), (50, "used"), (10, "new"), (0.5, "newest")):
        encoder(split(), setting)
        newest = max(cache.iterdir(), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (newest.stat().st_mtime - days * 24 * 60 * 60,) * 2)
    encoder(split(), "old")  # used again
    size = sum(path.stat().st_size for path in cache.rglob("*.arrow")) // 4
    monkeypatch.setattr(encoding, "_MOST_BYTES", 4 * size + size // 2)
    encoder(split(), "one more")
    assert len(list(cache.iterdir())) == 4
    calls = encoder.calls
    for setting in ("old", "new", "newest", "one more"):
        encoder(split(), setting)
    assert encoder.calls == calls
    monkeypatch.setattr(encoding, "_MOST_BYTES", 1)
    encoder(split(), "and one more")
    assert len(list(cache.iterdir())) == 5, "what was used within a day may be in use"


def test_several_processes_encode_a_large_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_PER_PROCESS", ROWS // 2)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 2)
    encoder = Encoder()
    made = encoder(split())
    assert encoder.calls == 0  # not here
    assert made["feature"][:] == list(range(ROWS))
    assert encoder(split()).to_dict() == made.to_dict()


@pytest.mark.parametrize("name", ["part.arrow", "checksums.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew_and_told(
    cache: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], name: str
) -> None:
    encoder = Encoder()
    expected = encoder(split()).to_dict()
    (entry,) = cache.iterdir()
    damage(entry / name)
    assert encoder(split()).to_dict() == expected
    assert encoder.calls == 2
    assert f"the cached folder {entry} is damaged" in caplog.text
    caplog.clear()
    assert encoder(split()).to_dict() == expected
    assert (encoder.calls, caplog.text) == (2, "")
    assert [path.name for path in cache.iterdir()] == [entry.name], "nothing damaged is left"


def test_an_entry_of_another_form_is_made_anew(cache: Path) -> None:
    encoder = Encoder()
    expected = encoder(split()).to_dict()
    (entry,) = cache.iterdir()
    (entry / "part.arrow").write_bytes(b"none of Arrow's")
    checksums.seal(entry, entry / "checksums.json")
    assert encoder(split()).to_dict() == expected
    assert encoder.calls == 2


def test_an_entry_without_files_is_made_anew(cache: Path) -> None:
    encoder = Encoder()
    expected = encoder(split()).to_dict()
    (entry,) = cache.iterdir()
    for path in entry.iterdir():
        path.unlink()
    assert encoder(split()).to_dict() == expected


def test_an_entry_that_cannot_be_read_is_left_and_done_without(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder()
    expected = encoder(split()).to_dict()
    (entry,) = cache.iterdir()
    before = {path: path.read_bytes() for path in entry.iterdir()}

    def fails(path: Path) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr("finetune.checksums.file_figures", fails)
    assert encoder(split()).to_dict() == expected
    assert {path: path.read_bytes() for path in entry.iterdir()} == before


def test_an_entry_is_on_the_disk_before_it_has_its_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(Path(f"/proc/self/fd/{number}").readlink()))
    original = Path.rename

    def rename(path: Path, target: Path) -> Path:
        assert {one for one in flushed if one.is_relative_to(path)} == {path, *path.iterdir()}
        return original(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    Encoder()(split())
    assert flushed[-1] == cache


def _encode_elsewhere(folder: str) -> tuple[dict[str, Any], int]:
    os.environ["FINETUNE_CACHE"] = folder
    encoding._WORTH_KEEPING = ROWS
    encoder = Encoder()
    return encoder(split()).to_dict(), encoder.calls


def test_processes_that_write_at_once_both_have_it_whole(cache: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        results = list(pool.map(_encode_elsewhere, [str(cache.parent)] * 4))
    expected = Encoder()
    assert all(features == expected(split()).to_dict() for features, _ in results)
    assert expected.calls == 0
    assert len(list(cache.iterdir())) == 1


HASH = """
from tests.data.test_encoding import NAMES, split, word_tokenizer
from finetune.data.encoding import _hash
print(_hash(split(), word_tokenizer(), (NAMES,)))
"""


def test_every_process_finds_it() -> None:
    """Python orders sets of text anew in each process."""
    done = subprocess.run(
        [sys.executable, "-c", HASH],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        cwd=Path(__file__).parent.parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == encoding._hash(split(), word_tokenizer(), (NAMES,))
