import pytest
import torch
from transformers import (
    BertConfig,
    DistilBertConfig,
    EncoderDecoderConfig,
    GPT2Config,
    MT5Config,
    PreTrainedConfig,
    RobertaConfig,
    RobertaModel,
    T5Config,
)

from finetune.errors import UserError
from finetune.models import Head, check_head, check_length, family, max_positions


def put_together() -> PreTrainedConfig:
    decoder = BertConfig(max_position_embeddings=40).to_dict()
    return EncoderDecoderConfig(encoder=BertConfig().to_dict(), decoder=decoder)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (BertConfig(), "BERT"),
        (RobertaConfig(), "RoBERTa"),
        (put_together(), "BERT"),
        (T5Config(), "T5"),
        (MT5Config(), "mT5"),
    ],
)
def test_family(config: PreTrainedConfig, expected: str) -> None:
    assert family(config).name == expected


def test_other_families_are_refused_with_those_that_work() -> None:
    with pytest.raises(UserError, match="gpt2") as error:
        family(GPT2Config())
    assert "text_to_text: mt5, t5, umt5" in str(error.value)
    assert "roberta" in str(error.value)


@pytest.mark.parametrize(
    ("config", "head"),
    [
        (DistilBertConfig(), "text_to_text"),
        (put_together(), "text_classification"),
        (put_together(), "token_classification"),
        (GPT2Config(), "text_to_text"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(config: PreTrainedConfig, head: Head) -> None:
    with pytest.raises(UserError, match=config.model_type):
        check_head(config, head)


def test_heads_that_fit(head: Head) -> None:
    check_head(BertConfig(), head)
    check_head(T5Config(), head)


def test_max_positions() -> None:
    assert max_positions(BertConfig(max_position_embeddings=64)) == 64
    assert max_positions(T5Config()) is None
    assert max_positions(put_together()) == 40


def test_roberta_counts_positions_from_behind_its_padding() -> None:
    config = RobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=14,
    )  # fmt: skip
    model = RobertaModel(config)
    limit = max_positions(config)
    assert limit is not None
    model(input_ids=torch.full((1, limit), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, limit + 1), 5))


def test_an_input_longer_than_the_model_is_refused() -> None:
    check_length(BertConfig(), 512, "task.max_length")
    check_length(T5Config(), 100_000, "task.max_length")
    with pytest.raises(UserError, match=r"task.max_length=512") as error:
        check_length(BertConfig(), 600, "task.max_length")
    assert error.value.found == "600"
