from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from finetune.drafting.languages import TextLanguage
from finetune.drafting.lengths import estimator, limit, local_tokenizer, measured


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=300))
def test_at_most_one_in_a_hundred_is_longer(lengths: list[int]) -> None:
    found, longest = limit(lengths, 2, 512)
    beyond = sum(length + 2 > found for length in lengths)
    assert beyond <= len(lengths) / 100 or found == 512
    assert longest == max(lengths) + 2
    assert 32 <= found <= 512
    assert found % 16 == 0


def test_lengths_are_estimated_from_words() -> None:
    assert estimator(TextLanguage("Latin", "en"))("one two three four five") == 7
    assert estimator(TextLanguage("Latin", "fi"))("one two") == 4
    assert estimator(TextLanguage("Han", "zh"))("这个电影") == 4


def test_the_columns_of_a_row_count_together() -> None:
    assert measured([["a b", None], [["c", "d"], "e"]], lambda text: len(text.split())) == [4, 1]
    assert len(measured([["a"] * 10_000], len)) == 2000


def test_a_tokenizer_on_this_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    count = local_tokenizer(tmp_path, None)
    assert count is not None
    assert count("a b c d") == 4
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "tokenizer.json"))
    assert local_tokenizer(None, "some/model") is not None


def test_without_a_tokenizer(tmp_path: Path) -> None:
    assert local_tokenizer(None, None) is None
    assert local_tokenizer(tmp_path, None) is None
    assert local_tokenizer(None, "nobody/has-this") is None
    (tmp_path / "tokenizer.json").write_text("{}")
    assert local_tokenizer(tmp_path, None) is None
