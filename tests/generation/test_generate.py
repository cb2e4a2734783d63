from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LogitsProcessor, LogitsProcessorList

from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained import generate as generate_with_features
from finetune.attention.program import Program
from finetune.generation import generate
from tests.attention.pretrained.tiny import PAD, SEP
from tests.generation.models import LENGTHS, LONGEST, NAMES, OTHER_END, encode, rows_of, source, writer

BOTH = pytest.mark.parametrize("name", NAMES)
SEARCHES: tuple[dict[str, Any], ...] = (
    {"num_beams": 1},
    {"num_beams": 2, "length_penalty": 0.5},
    {"num_beams": 4, "length_penalty": 1.0},
    {"num_beams": 5, "length_penalty": 2.0},
    {"num_beams": 4, "length_penalty": -1.0},
)


def theirs(model: Any, inputs: dict[str, Tensor], **settings: Any) -> Tensor:
    texts: Tensor = model.generate(**inputs, do_sample=False, max_new_tokens=LONGEST, **settings)
    return texts


def ours(model: Any, inputs: dict[str, Tensor], **settings: Any) -> Tensor:
    return generate(model, encode(model, inputs), inputs["attention_mask"], max_new_tokens=LONGEST, **settings)


class Rows:
    """Records the number of rows and positions in each call of the decoder."""

    def __init__(self, model: Any) -> None:
        self.calls: list[tuple[int, int]] = []
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self.calls.append(tuple(kwargs["decoder_input_ids"].shape))


@BOTH
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("masked", [False, True])
def test_texts_are_those_of_transformers(name: str, seed: int, masked: bool) -> None:
    model, inputs = writer(name, seed), source(seed=seed)
    if masked:
        apply_masks(model, Program())
    for settings in SEARCHES:
        assert ours(model, inputs, **settings).equal(theirs(model, inputs, **settings))


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("end", [SEP, [SEP, OTHER_END]])
def test_ends_are_those_of_transformers(name: str, early_stopping: bool | str, end: int | list[int]) -> None:
    model, inputs = writer(name), source()
    for beams in (1, 3):
        settings: dict[str, Any] = {"num_beams": beams, "eos_token_id": end}
        settings |= {"early_stopping": early_stopping} if beams > 1 else {}
        assert ours(model, inputs, **settings).equal(theirs(model, inputs, **settings))


@BOTH
@pytest.mark.parametrize("num_beams", [1, 4])
def test_a_text_does_not_depend_on_its_batch(name: str, num_beams: int) -> None:
    model, inputs = writer(name), source()
    together = ours(model, inputs, num_beams=num_beams).tolist()
    for row, text in enumerate(together):
        (alone,) = ours(model, rows_of(inputs, row), num_beams=num_beams).tolist()
        assert text[: len(alone)] == alone
        assert set(text[len(alone) :]) <= {PAD, SEP}


@BOTH
@pytest.mark.parametrize(
    "setting",
    [
        {"min_new_tokens": 5},
        {"no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.7},
        {"bad_words_ids": [[5], [6, 7]]},
        {"forced_bos_token_id": 11, "forced_eos_token_id": SEP},
        {"suppress_tokens": [4, 12], "begin_suppress_tokens": [SEP]},
        {"sequence_bias": [[[8], 3.0]], "renormalize_logits": True},
        {"exponential_decay_length_penalty": (3, 1.5)},
    ],
)
def test_settings_of_the_generation_config_hold(name: str, setting: dict[str, Any]) -> None:
    model, inputs = writer(name), source()
    config: Any = model.generation_config
    config.update(**setting)
    for beams in (1, 4):
        assert ours(model, inputs, num_beams=beams).equal(theirs(model, inputs, num_beams=beams))


class Remembers(LogitsProcessor):
    """A processor with a state, which counts its calls."""

    calls = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        Remembers.calls += 1
        return scores


@BOTH
def test_what_is_not_known_is_left_to_transformers(name: str) -> None:
    model, inputs = writer(name), source()
    full = ours(model, inputs, num_beams=2, logits_processor=LogitsProcessorList([Remembers()]))
    assert Remembers.calls
    assert full.equal(theirs(model, inputs, num_beams=2))
    several: dict[str, Any] = {"num_beams": 3, "num_return_sequences": 3}
    assert ours(model, inputs, **several).equal(theirs(model, inputs, **several))
    outputs: Any = ours(model, inputs, return_dict_in_generate=True, output_scores=True)
    assert outputs.sequences.equal(theirs(model, inputs))
    assert outputs.scores
    with pytest.raises(ValueError, match="num_return_sequences"):
        ours(model, inputs, num_beams=2, num_return_sequences=3)


@BOTH
def test_prompts_are_texts_begun(name: str) -> None:
    model, inputs = writer(name), source()
    prompts = torch.tensor([[PAD, 5, 6]] * len(LENGTHS))
    for beams in (1, 3):
        settings: dict[str, Any] = {"num_beams": beams, "decoder_input_ids": prompts}
        assert ours(model, inputs, **settings).equal(theirs(model, inputs, **settings))


@BOTH
@pytest.mark.parametrize("num_beams", [1, 4])
def test_an_example_that_is_done_costs_nothing(name: str, num_beams: int) -> None:
    model, inputs = writer(name), source()
    steps = []
    for row in range(len(LENGTHS)):
        alone = Rows(model)
        ours(model, rows_of(inputs, row), num_beams=num_beams)
        steps.append(len(alone.calls))
    assert len(set(steps)) > 1
    here, there = Rows(model), Rows(model)
    ours(model, inputs, num_beams=num_beams)
    rows = [count for count, _ in here.calls]
    # In the first step all beams are one row.
    assert rows == [sum(each > step for each in steps) * (num_beams if step else 1) for step in range(max(steps))]
    assert {columns for _, columns in here.calls} == {1}
    theirs(model, inputs, num_beams=num_beams)
    assert sum(rows) < sum(count for count, _ in there.calls[len(rows) :])


@BOTH
@pytest.mark.parametrize("num_beams", [1, 4])
def test_masks_with_columns_and_values_of_the_source_hold(name: str, num_beams: int) -> None:
    program = {
        "encoder": "same(side)",
        "decoder": {"mask": "window(4)", "layers": {"0": "per_head(window(1), full())"}},
        "cross": "prefix(opening) | window(2)",
    }
    model, inputs = apply_masks(writer(name), program), source()
    features = {"side": inputs["input_ids"] % 2, "opening": torch.tensor([3, 1, 1, 2, 1, 5])}
    expected = generate_with_features(
        model, mask_features=features, **inputs, max_new_tokens=LONGEST, num_beams=num_beams, do_sample=False
    )
    encoded = encode(model, inputs, mask_features=features)
    rows = Rows(model)
    found = generate(model, encoded, inputs["attention_mask"], max_new_tokens=LONGEST, num_beams=num_beams)
    assert found.equal(expected)
    assert {columns for _, columns in rows.calls} == {1}


@BOTH
@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize(
    "decoder", ["causal() | prefix(3)", {"mask": "full()", "bidirectional": True}, "window(2) | global_tokens(star)"]
)
def test_texts_whose_beginning_sees_what_follows_are_computed_anew(name: str, decoder: Any, num_beams: int) -> None:
    model, inputs = apply_masks(writer(name), {"decoder": decoder}, special_tokens={"star": 7}), source()
    rows = Rows(model)
    found = ours(model, inputs, num_beams=num_beams)
    assert max(columns for _, columns in rows.calls) == len(rows.calls)
    assert found.equal(theirs(model, inputs, num_beams=num_beams, use_cache=False))


@BOTH
@pytest.mark.parametrize("site", ["decoder", "cross"])
def test_a_mask_that_depends_on_the_length_is_refused(name: str, site: str) -> None:
    model, inputs = apply_masks(writer(name), {site: "random_keys(2, 0)"}), source()
    with pytest.raises(PretrainedError, match=f"site '{site}' depends on the length of the text"):
        ours(model, inputs)


@BOTH
def test_padding_may_be_on_the_left_or_missing(name: str) -> None:
    model = writer(name)
    whole = source([5, 5, 5])
    expected = theirs(model, whole, num_beams=3)
    assert generate(model, encode(model, whole), max_new_tokens=LONGEST, num_beams=3).equal(expected)
    inputs = {key: tensor.flip(1) for key, tensor in source().items()}
    assert ours(model, inputs, num_beams=3).equal(theirs(model, inputs, num_beams=3))


@BOTH
def test_the_encoders_output_is_left_as_it_was(name: str) -> None:
    model, inputs = writer(name), source()
    encoded = encode(model, inputs)
    before = encoded.last_hidden_state.clone()
    for settings in ({"num_beams": 4}, {"num_beams": 4, "num_return_sequences": 2}):
        generate(model, encoded, inputs["attention_mask"], max_new_tokens=2, **settings)
        assert encoded.last_hidden_state.equal(before)


@BOTH
def test_in_bfloat16_as_in_transformers(name: str) -> None:
    # So sharp that rounding decides nothing.
    model, inputs = writer(name, sharpness=30.0), source()
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(model, inputs, num_beams=2).equal(theirs(model, inputs, num_beams=2))


@BOTH
def test_adapters_take_part(name: str) -> None:
    peft = pytest.importorskip("peft")
    targets = ["q", "v"] if name.startswith("T5") else ["query", "value"]
    config = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False, task_type=peft.TaskType.SEQ_2_SEQ_LM)
    model, inputs = writer(name), source()
    without = theirs(model, inputs, num_beams=3)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(model, config).eval()
    found = ours(adapted, inputs, num_beams=3)
    assert found.equal(theirs(adapted, inputs, num_beams=3))
    assert not found.equal(without)


def test_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear is no model of transformers"):
        generate(nn.Linear(1, 1), {"last_hidden_state": torch.zeros(1, 1, 1)}, max_new_tokens=1)


@BOTH
def test_an_additive_attention_mask_is_refused(name: str) -> None:
    model, inputs = writer(name), source()
    additive = torch.zeros(inputs["attention_mask"].shape).masked_fill(inputs["attention_mask"] == 0, -torch.inf)
    with pytest.raises(PretrainedError, match=r"attention_mask must be boolean .*to_allowed\("):
        generate(model, encode(model, inputs), additive, max_new_tokens=2)
