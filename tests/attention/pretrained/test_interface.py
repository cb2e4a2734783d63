"""Unexpected arguments of the mask function and the attention function raise errors, so that no mask is lost."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask as original
from transformers.models.bert import modeling_bert
from transformers.models.t5 import modeling_t5

from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.interface import ASSIGNMENT, make_masks, masked_attention
from tests.attention.pretrained.tiny import SOURCE, batch, build

MODULES = {"BertModel": modeling_bert, "T5ForConditionalGeneration": modeling_t5}
NAMES = pytest.mark.parametrize("name", MODULES)
PROGRAMS = pytest.mark.parametrize("program", [{"encoder": "window(1)"}, {}], ids=["window", "standard"])


@NAMES
@PROGRAMS
@pytest.mark.parametrize(
    ("handed", "kind"),
    [
        (None, "nothing"),
        (torch.ones(2, 1, SOURCE, SOURCE, dtype=torch.bool), r"a tensor of shape \[2, 1, 7, 7\]"),
        ("flash", "a str"),
    ],
)
def test_masks_that_are_made_without_us(
    name: str, program: dict[str, str], handed: object, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = apply_masks(build(name), program)
    monkeypatch.setattr(MODULES[name], "create_bidirectional_mask", lambda *args, **kwargs: handed)
    with pytest.raises(PretrainedError, match=f"layer 0 at site 'encoder' was given {kind} in place of its mask"):
        model(**batch(name))


@NAMES
@PROGRAMS
def test_an_attention_mask_that_does_not_come_through(
    name: str, program: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(*args: Any, **kwargs: Any) -> object:
        return original(*args, **{**kwargs, "attention_mask": None})

    model = apply_masks(build(name), program)
    monkeypatch.setattr(MODULES[name], "create_bidirectional_mask", forgetful)
    with pytest.raises(
        PretrainedError, match="mask function was called with nothing in place of the request that apply_masks"
    ):
        model(**batch(name))


@NAMES
def test_a_hook_that_is_not_called(name: str) -> None:
    model = apply_masks(build(name), {"encoder": "window(1)"})
    stack = model.get_encoder() if name.startswith("T5") else model
    with pytest.raises(PretrainedError, match=r"called with a tensor of shape \[2, 7\] in place"):
        stack.forward(**{key: each for key, each in batch(name).items() if key != "labels"})


@NAMES
def test_masks_of_another_pattern_or_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = apply_masks(build(name), {"encoder": "window(1)"})

    def of_another_pattern(*args: Any, **kwargs: Any) -> object:
        return original(*args, **{**kwargs, "and_mask_function": lambda *each: each[2] > 0})

    def of_another_width(*args: Any, **kwargs: Any) -> object:
        return original(*args, **{**kwargs, "inputs_embeds": kwargs["inputs_embeds"][:, :-1]})

    monkeypatch.setattr(MODULES[name], "create_bidirectional_mask", of_another_pattern)
    with pytest.raises(PretrainedError, match="makes a mask of its own in addition to those of the program"):
        model(**batch(name))
    monkeypatch.setattr(MODULES[name], "create_bidirectional_mask", of_another_width)
    with pytest.raises(PretrainedError, match=r"= \(2, 6, 0, 7, 0\), expected \(2, 7, 0, 7, 0\)"):
        model(**batch(name))


@NAMES
def test_an_attention_that_was_not_given_a_mask(name: str) -> None:
    model = apply_masks(build(name), {"encoder": "window(1)"})
    attention = next(module for module in model.modules() if hasattr(module, ASSIGNMENT))
    delattr(attention, ASSIGNMENT)
    with pytest.raises(PretrainedError, match=f"{type(attention).__name__} was given no mask by apply_masks"):
        model(**batch(name))


def test_a_mask_of_another_site() -> None:
    model = apply_masks(build("T5ForConditionalGeneration"), {"cross": "window(1)"})
    places = [(module, getattr(module, ASSIGNMENT)) for module in model.modules() if hasattr(module, ASSIGNMENT)]
    own, cross = (next(each for each in places if each[1].site == site) for site in ("decoder", "cross"))
    setattr(own[0], ASSIGNMENT, cross[1])
    with pytest.raises(PretrainedError, match=r"given a mask for site, queries .* but was called with"):
        model(**batch("T5ForConditionalGeneration"))


def handed(model: PreTrainedModel, **changes: Any) -> Any:
    """Call the attention function as layer 0 of a BERT does, with changes."""
    attention = next(module for module in model.modules() if hasattr(module, ASSIGNMENT))
    states = {name: torch.zeros(2, 4, SOURCE, 8) for name in ("query", "key", "value")}
    masks: list[object] = []

    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        masks.append(kwargs.get("attention_mask", args[1] if len(args) > 1 else None))

    handle = attention.register_forward_pre_hook(keep, with_kwargs=True)
    model(**batch("BertModel"))
    handle.remove()
    return masked_attention(attention, **{**states, "attention_mask": masks[0], **changes})


def test_the_attention_function_refuses_what_it_does_not_know() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "window(1)"})
    assert handed(model)[0].shape == (2, SOURCE, 4, 8)
    assert handed(model, position_ids=torch.zeros(1), softcap=None)[1] is None
    for name in ("softcap", "s_aux", "cu_seq_lens_q"):
        with pytest.raises(
            PretrainedError, match=f"attention function was given {name}, which attention under masks does not"
        ):
            handed(model, **{name: 1.0})
    for name, shape in (
        ("query", (2, 4, 3, 8)),
        ("key", (2, 4, 3, 8)),
        ("key", (2, 2, SOURCE, 8)),
        ("query", (1, 4, 7, 8)),
    ):
        with pytest.raises(PretrainedError, match="but was called with"):
            handed(model, **{name: torch.zeros(shape)})


def test_the_mask_function_by_itself() -> None:
    with pytest.raises(PretrainedError, match="the model was not given masks by apply_masks"):
        make_masks(batch_size=1, q_length=1, kv_length=1, mask_function=None)
