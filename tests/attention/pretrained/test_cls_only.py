"""The last layer computes the [CLS] tokens alone where the head reads nothing else."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, BertConfig

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged
from finetune.attention.masks import parse
from finetune.attention.pretrained import apply_masks, cls_only, interface
from finetune.attention.pretrained.cls_only import cls_only_attention, last_attention
from finetune.attention.pretrained.evaluate import SiteMasks
from finetune.attention.pretrained.families import find_stacks
from finetune.attention.pretrained.size_bucketing import bucketed_length
from finetune.attention.pretrained.tokens import MaskRequest, Tokens
from tests.attention.pretrained.test_streams import LENGTHS, OTHERS, SMALL, texts
from tests.attention.pretrained.tiny import HEADS, build

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["bert", "roberta", "electra"])
@pytest.mark.parametrize("of_config", [False, True])
def test_the_last_layer_computes_what_the_head_reads(
    name: str, of_config: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If hidden states are to be returned, the last layer computes all tokens, and the logits are the same."""
    asking: list[int] = []

    def attention(query: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        asking.append(len(query))
        return tiled_attention(query, *args, **kwargs)

    for module in (interface, cls_only):
        monkeypatch.setattr(module, "tiled_attention", attention)
    configs = {"bert": BertConfig(**SMALL, max_position_embeddings=24), **OTHERS}
    model: Any = AutoModelForSequenceClassification.from_config(configs[name])  # type: ignore[no-untyped-call]
    model.eval()
    apply_masks(model, {"encoder": "window(2)"})
    widths: list[int] = []
    for module in model.modules():
        if type(module).__name__.endswith("Intermediate"):
            module.register_forward_hook(lambda module, args, output: widths.append(output.shape[1]))
    inputs = {"input_ids": torch.cat(texts(LENGTHS))[None], "layout": Ragged.from_lengths(LENGTHS)}
    read = model(**inputs)
    assert widths == [*[bucketed_length(sum(LENGTHS), CPU)] * (len(widths) - 1), len(LENGTHS)]
    assert asking == widths
    widths.clear()
    asking.clear()
    if of_config:
        model.config.output_hidden_states = True
    shown = model(**inputs) if of_config else model(**inputs, output_hidden_states=True)
    assert set(widths) == set(asking) == {sum(LENGTHS)}
    assert [states.shape[1] for states in shown.hidden_states][:-1] == [sum(LENGTHS)] * (len(widths))
    torch.testing.assert_close(shown.logits, read.logits)


def test_the_first_tokens_attend_as_among_all_queries() -> None:
    torch.manual_seed(0)
    mask, layout = parse("window(1) | per_head(full(), causal())"), Ragged.from_lengths([3, 1, 4])
    tokens = Tokens(1, layout.total, CPU, stream=layout)
    masks = SiteMasks(MaskRequest("encoder", (mask,), HEADS, tokens, tokens))
    query, key, value = torch.randn(3, layout.total, HEADS, 8).double()
    found = cls_only_attention(query, key, value, masks, 0, scale=None, dropout=0.0)
    begin = 0
    for length in layout.sizes:
        example = slice(begin, begin + length)
        q, k, v = (states[example].transpose(0, 1)[None] for states in (query, key, value))
        expected, _ = dense_attention(q, k, v, mask.dense(length, num_heads=HEADS)[None])
        torch.testing.assert_close(found[begin], expected[0, :, 0])
        assert not found[begin + 1 : begin + length].any()
        begin += length


def test_only_families_that_name_the_module_and_heads_that_read_the_first_token_have_one() -> None:
    (stack,) = find_stacks(build("BertForSequenceClassification"))
    assert type(last_attention(stack, "first")).__name__ == "BertAttention"
    assert last_attention(stack, None) is None
    (encoder,) = find_stacks(build("T5EncoderModel"))
    assert last_attention(encoder, "first") is None
