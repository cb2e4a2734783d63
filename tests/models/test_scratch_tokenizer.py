from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import pytest
from transformers import AutoTokenizer, BertConfig, EncoderDecoderConfig, PreTrainedTokenizerFast, T5Config

from finetune import recipe
from finetune.models.scratch_tokenizer import train_tokenizer

Section = Callable[..., recipe.Model]


def scratch(architecture: str, **changes: object) -> recipe.Scratch:
    return recipe.Scratch.model_validate({"architecture": architecture, "vocab_size": 400} | changes)


def test_decoding_gives_back_the_text(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> None:
    # A text's one leading space is that of its first word, and is not told apart from none.
    expected = [normalize("NFC", text) for text in texts]
    assert tokenizer.batch_decode(tokenizer(texts)["input_ids"], skip_special_tokens=True) == expected


def test_the_same_texts_give_the_same_tokenizer(architecture: str, texts: list[str]) -> None:
    one, other = (train_tokenizer(scratch(architecture), iter(texts)) for _ in range(2))
    assert one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str()


@pytest.mark.parametrize("vocab_size", [100, 150, 1000])
def test_the_vocabulary_is_at_most_the_size_asked_for(architecture: str, texts: list[str], vocab_size: int) -> None:
    assert len(train_tokenizer(scratch(architecture, vocab_size=vocab_size), texts)) <= vocab_size


def test_rare_characters_make_way_where_the_vocabulary_is_small(architecture: str) -> None:
    rare = "".join(chr(0x4E00 + offset) for offset in range(200))
    tokenizer = train_tokenizer(scratch(architecture, vocab_size=100), ["common words"] * 9 + [rare])
    assert tokenizer.unk_token_id in tokenizer(rare)["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer("common words")["input_ids"]


def test_an_unknown_character_leaves_the_rest_of_its_word_known(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = tokenizer("Män😀ner", add_special_tokens=False).tokens()
    assert tokens.count(tokenizer.unk_token) == 1
    assert "".join(tokens).replace(str(tokenizer.unk_token), "") == "▁Männer"


def test_t5_texts_end_in_eos(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    tokenizer = tokenizers["t5"]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    one, other = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a file", "moved"))
    assert tokenizer("a file")["input_ids"] == [*one, 1]
    assert tokenizer("a file", "moved")["input_ids"] == [*one, 1, *other, 1]
    assert list(tokenizer("a file")) == ["input_ids", "attention_mask"]


def test_eos_survives_truncation(tokenizers: dict[str, PreTrainedTokenizerFast], texts: list[str]) -> None:
    cut = tokenizers["t5"](texts, truncation=True, max_length=5)["input_ids"]
    assert {(len(row), row[-1], row.count(1)) for row in cut} == {(5, 1, 1)}


def test_bert_texts_are_framed_and_their_segments_numbered(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    tokenizer = tokenizers["bert"]
    pair = tokenizer("a file", "moved")
    tokens, segments = pair.tokens(), pair["token_type_ids"]
    middle = tokens.index("[SEP]")
    assert (tokens[0], tokens[-1], tokens.count("[SEP]")) == ("[CLS]", "[SEP]", 2)
    assert segments == [0] * (middle + 1) + [1] * (len(tokens) - middle - 1)
    assert tokenizer.pad_token_id == 0
    assert tokenizer.mask_token == "[MASK]"


def test_given_words_are_kept_apart_and_told(tokenizer: PreTrainedTokenizerFast) -> None:
    words = ["Zwei", "McDonald's", "(12"]
    encoding = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
    assert sorted(set(encoding.word_ids())) == [0, 1, 2]
    assert tokenizer.decode(encoding["input_ids"]) == " ".join(words)


def test_case_is_folded_on_demand_and_accents_are_kept(architecture: str, texts: list[str]) -> None:
    tokenizer = train_tokenizer(scratch(architecture, lowercase=True), texts)
    assert tokenizer.decode(tokenizer("Weiße MÄNNER")["input_ids"], skip_special_tokens=True) == "weiße männer"


def test_a_saved_tokenizer_is_the_same_beside_any_model(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], tmp_path: Path
) -> None:
    bert = BertConfig().to_dict()
    for config in (BertConfig(), T5Config(), EncoderDecoderConfig(encoder=bert, decoder=bert)):
        config.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        loaded = AutoTokenizer.from_pretrained(tmp_path)
        assert loaded.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
        assert dict(loaded(texts, texts)) == dict(tokenizer(texts, texts))
        assert loaded.special_tokens_map == tokenizer.special_tokens_map
        ids = tokenizer(texts)["input_ids"]
        assert loaded.batch_decode(ids) == tokenizer.batch_decode(ids)
