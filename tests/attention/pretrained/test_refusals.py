"""What a future transformers, or a caller, could hand over otherwise than expected: refused, never lost."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask as original
from transformers.models.bert import modeling_bert
from transformers.models.t5 import modeling_t5

from finetune.attention.layers import to_allowed
from finetune.attention.layout import LayoutError
from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.interface import ASSIGNMENT, make_masks, masked_attention
from finetune.attention.program import Program
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


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(2, 1, SOURCE, SOURCE), r"attention_mask must be a tensor \[batch, tokens\].* got \[2, 1, 7, 7\]"),
        (torch.ones(2, SOURCE, SOURCE), r"got \[2, 7, 7\]: who may attend to whom is given by the program"),
        (torch.ones(2, SOURCE + 2), r"has shape \[2, 9\], but the tokens are \[2, 7\]; .*prefix tuning"),
        ({"full_attention": None}, "got dict"),
    ],
)
@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_an_attention_mask_of_another_kind(name: str, mask: object, message: str) -> None:
    for program in ({"encoder": "window(1)"}, Program()):
        model = apply_masks(build(name), program)
        with pytest.raises(PretrainedError, match=message):
            model(**{**batch(name), "attention_mask": mask})


ADDITIVE = torch.zeros(2, SOURCE).masked_fill(torch.arange(SOURCE) > 4, -torch.inf)


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (ADDITIVE, "got torch.float32, as in masks that are added to the scores"),
        (ADDITIVE.clamp(min=torch.finfo(torch.bfloat16).min).bfloat16(), "got torch.bfloat16"),
        (torch.ones(2, SOURCE), "got torch.float32"),
        (torch.zeros(2, SOURCE), "got torch.float32"),
        (torch.tensor([[1, 1, 1, 2, 2, 3, 0]] * 2), "got numbers from 0 to 3"),
        (-torch.ones(2, SOURCE, dtype=torch.int32), "got numbers from -1 to -1"),
        (255 * torch.ones(2, SOURCE, dtype=torch.uint8), "got numbers from 255 to 255"),
    ],
    ids=["0 and -inf", "0 and the lowest", "float ones", "float zeros", "packed", "-1", "255"],
)
@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_an_attention_mask_whose_numbers_may_mean_something_else(name: str, mask: Tensor, found: str) -> None:
    for program in ({"encoder": "window(1)"}, Program()):
        model = apply_masks(build(name), program)
        sites = ["attention_mask"] + (["decoder_attention_mask"] if "labels" in batch(name) else [])
        for site in sites:
            width = batch(name)["labels"].shape[1] if site.startswith("decoder") else SOURCE
            with pytest.raises(
                PretrainedError, match=rf"^attention_mask must be boolean .* {found}.*layers.to_allowed\("
            ):
                model(**{**batch(name), site: mask[:, :width] if "3" not in found else mask[:, -width:]})


@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_a_mask_that_was_converted_is_that_of_integers(name: str) -> None:
    inputs = batch(name)
    additive = torch.zeros(inputs["attention_mask"].shape).masked_fill(inputs["attention_mask"] == 0, -torch.inf)
    model = apply_masks(build(name), {"encoder": "window(1)"})
    for mask in (to_allowed(additive, "-inf = ignore"), inputs["attention_mask"].to(torch.uint8)):
        assert model(**{**inputs, "attention_mask": mask})[0].equal(model(**inputs)[0])


def test_padding_between_tokens() -> None:
    holes = torch.tensor([[1, 1, 0, 1, 1, 1, 1]] * 2)
    inputs = {**batch("BertModel"), "attention_mask": holes}
    with pytest.raises(LayoutError, match="row 0 of the attention mask has padding between its tokens"):
        apply_masks(build("BertModel"), {"encoder": "window(1)"})(**inputs)
    standard = apply_masks(build("BertModel"), Program())
    assert standard(**inputs).last_hidden_state.equal(build("BertModel")(**inputs).last_hidden_state)


def test_a_call_without_tokens_is_left_to_the_model() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "window(1)"})
    with pytest.raises(ValueError, match="You must specify exactly one of input_ids or inputs_embeds"):
        model()
