import pytest
from transformers import (
    BertConfig,
    DistilBertConfig,
    EncoderDecoderConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    T5Config,
)

from finetune.errors import UserError
from finetune.models.configuration import configure, set_dropout, set_special_ids


def dropouts(config: PreTrainedConfig) -> set[float | None]:
    values = config.to_dict()
    inner = [values.pop(name, {}) for name in ("encoder", "decoder")]
    return {value for level in (values, *inner) for name, value in level.items() if "dropout" in name}


@pytest.mark.parametrize("config", [BertConfig(), DistilBertConfig(), T5Config()], ids=lambda one: one.model_type)
def test_dropout_is_set_everywhere(config: PreTrainedConfig) -> None:
    assert dropouts(config) != {0.25}
    set_dropout(config, 0.25)
    assert dropouts(config) == {0.25}


def test_dropout_is_set_in_the_halves_of_an_encoder_decoder() -> None:
    config = EncoderDecoderConfig(encoder=BertConfig().to_dict(), decoder=BertConfig().to_dict())
    set_dropout(config, 0.25)
    assert dropouts(config) == {0.25}


def test_labels_are_stored_both_ways(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    config = BertConfig()
    configure(config, "text_classification", tokenizers["bert"], ("no", "yes", "maybe"))
    assert config.num_labels == 3
    assert config.id2label == {0: "no", 1: "yes", 2: "maybe"}
    assert config.label2id == {"no": 0, "yes": 1, "maybe": 2}


def test_a_tokenizer_larger_than_the_model_is_refused(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    with pytest.raises(UserError, match="at most 50 tokens"):
        configure(BertConfig(vocab_size=50), "token_classification", tokenizers["bert"], ("O",))


def test_a_tokenizer_with_another_end_is_refused(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    with pytest.raises(UserError, match="eos_token with id 7"):
        set_special_ids(T5Config(eos_token_id=7), tokenizers["t5"])


def test_a_tokenizer_without_a_needed_token_is_refused(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    with pytest.raises(UserError, match="eos_token"):
        set_special_ids(T5Config(), tokenizers["bert"])
