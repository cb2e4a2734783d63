"""Score terms in pretrained models: streams, generation, saving, compiled code, and what is refused.

`test_properties` compares models with the layers from scratch under masks with and without terms.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoModelForTokenClassification

from finetune.attention import ProgramError
from finetune.attention.layout import dense_scores
from finetune.attention.masks import Mask, full, parse, register_score, window
from finetune.attention.masks.scope import Scope
from finetune.attention.pretrained import PretrainedError, apply_masks, saved_masks
from finetune.attention.pretrained.caching import can_cache, shares_source
from finetune.attention.pretrained.families import find_stacks
from finetune.attention.program import Program, Site
from tests.attention.pretrained.test_generation import best_of_beams, masked, source, write
from tests.attention.pretrained.test_streams import (
    LENGTHS,
    OTHERS,
    PAIRS,
    TARGETS,
    assert_same,
    padded_outputs,
    texts,
)
from tests.attention.pretrained.tiny import HEADS, batch, build
from tests.attention.score_terms import scored_texts

NAMES = pytest.mark.parametrize("name", PAIRS)
PROGRAM = {
    "encoder": {"mask": "window(2) + alibi(4)", "layers": {"-1": "(window(1) | prefix(3)) + alibi() + score(ramp)"}},
    "decoder": {"mask": "window(3) + alibi(8)", "layers": {"0": "full() + score(ramp)"}},
    "cross": {"mask": "full() + score(ramp)", "layers": {"-1": "per_head(full(), window(1, 3))"}},
}


@register_score("ramp", length=False)
def ramp(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """A score function that differs between heads, and after which no two keys and no two queries are alike."""
    return torch.sin(2.0 * k + head) * (1 + torch.cos(q / 2.0))


@pytest.mark.parametrize("name", ["BertForSequenceClassification", "BertForTokenClassification", *PAIRS])
def test_a_stream_equals_padded_rows(name: str) -> None:
    program = PROGRAM if name in PAIRS else {"encoder": PROGRAM["encoder"]}
    model = apply_masks(build(name).double(), program)
    assert_same(model, texts(LENGTHS), texts(TARGETS, 1) if name in PAIRS else None)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), scored_texts(in_cross=False).map(parse), st.data())
def test_any_mask_in_a_stream(lengths: list[int], mask: Mask, data: st.DataObject) -> None:
    if mask.needs.columns or mask.needs.values:
        return
    targets = data.draw(st.lists(st.integers(1, 6), min_size=len(lengths), max_size=len(lengths)))
    model = apply_masks(build(PAIRS[0]).double(), Program(encoder=Site(mask), decoder=Site(mask)))
    assert_same(model, texts(lengths), texts(targets, 1))


@NAMES
@pytest.mark.parametrize("site", ["encoder", "decoder", "cross"])
def test_the_terms_of_each_site_have_an_effect(name: str, site: str) -> None:
    sources, targets = texts(LENGTHS), texts(TARGETS, 1)
    without = {key: str(parse_site(each)) for key, each in PROGRAM.items() if key == site}
    plain = padded_outputs(apply_masks(build(name), without), sources, targets)
    scored = padded_outputs(apply_masks(build(name), {site: {"mask": PROGRAM[site]["mask"]}}), sources, targets)
    assert not torch.allclose(plain, scored, atol=1e-2)


def parse_site(site: Any) -> Mask:
    return parse(site["mask"]).boolean


def test_weights_are_the_softmax_of_scores_and_terms() -> None:
    program = {"encoder": "full() + score(ramp)"}
    model, stock = apply_masks(build("BertModel").double(), program), build("BertModel").double()
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8, 9]]), "output_attentions": True}
    stock.set_attn_implementation("eager")
    found, before = (each(**inputs).attentions[0][0] for each in (model, stock))
    scores = dense_scores(parse("full() + score(ramp)"), 5, num_heads=HEADS)
    torch.testing.assert_close(found, (before.log() + scores).softmax(-1))


@NAMES
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_steps_of_generation_are_those_of_training(name: str, side: str, use_cache: bool) -> None:
    model, inputs = masked(name, PROGRAM), source(name, side)
    assert can_cache(model)
    assert shares_source(model)
    written = write(model, inputs, use_cache=use_cache)
    at_once = model(**inputs, decoder_input_ids=written.tokens[:, :-1]).logits
    torch.testing.assert_close(written.numbers, at_once, atol=1e-5, rtol=1e-5)
    plain = {site: {"mask": str(parse_site(each))} for site, each in PROGRAM.items()}
    other = masked(name, plain)(**inputs, decoder_input_ids=written.tokens[:, :-1]).logits
    assert (other - at_once).abs().amax(-1).gt(1e-2).all()


@NAMES
@pytest.mark.parametrize("use_cache", [True, False])
def test_beams_are_those_of_whole_forwards(name: str, use_cache: bool) -> None:
    model, inputs = masked(name, PROGRAM), source(name)
    with torch.no_grad():
        expected = best_of_beams(model, inputs, beams=3)
    assert write(model, inputs, num_beams=3, use_cache=use_cache)[:1].same_as(expected)


@NAMES
@pytest.mark.parametrize("num_beams", [1, 3])
def test_columns_of_the_source_are_read_in_generation(name: str, num_beams: int) -> None:
    sides = {"side": torch.tensor([[0, 0, 0, 1, 1, 1, 2], [5, 5, 5, 4, 0, 0, 0]])}
    model, inputs = masked(name, {"encoder": "full() + bias(side, 2)"}), source(name)
    equal = masked(name, {"encoder": "full() + score(same_third)"})
    written = write(model, inputs, mask_features=sides, num_beams=num_beams)
    assert write(equal, inputs, num_beams=num_beams)[:1].same_as(written[:1])


@register_score("same_third", length=False, by_head=False)
def same_third(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return 2.0 * (q // 3 == k // 3)


@NAMES
def test_what_a_cache_does_not_hold_is_refused_and_generated_without(name: str) -> None:
    model = masked(name, {"decoder": "causal() + bias(is_star, 1)"}, special_tokens={"star": 7})
    inputs = source(name)
    assert not can_cache(model)
    written = write(model, inputs, use_cache=False)
    at_once = model(**inputs, decoder_input_ids=written.tokens[:, :-1]).logits
    torch.testing.assert_close(written.numbers, at_once, atol=1e-5, rtol=1e-5)
    with pytest.raises(
        PretrainedError, match=r"bias\(is_star, 1.0\) of the decoder reads token columns, which a cache"
    ):
        write(model, inputs)


@register_score("of_length")
def of_length(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return k / scope.key_length


@NAMES
@pytest.mark.parametrize("site", ["decoder", "cross"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_score_that_depends_on_the_length_is_refused_in_generation(name: str, site: str, use_cache: bool) -> None:
    model, inputs = masked(name, {site: "full() + score(of_length)"}), source(name)
    model(**inputs, decoder_input_ids=torch.tensor([[3, 4]] * 2))
    with pytest.raises(PretrainedError, match="score functions that read the length"):
        write(model, inputs, use_cache=use_cache)


def test_a_distance_between_source_and_target_is_refused() -> None:
    for site in ("full() + alibi()", {"mask": "full()", "layers": {"0": "window(2) + alibi()"}}):
        with pytest.raises(ProgramError, match=r"cross: alibi\(\) is not defined in cross-attention"):
            apply_masks(build(PAIRS[0]), {"cross": site})


@pytest.mark.parametrize(
    ("name", "loader"),
    [("BertForTokenClassification", AutoModelForTokenClassification), (PAIRS[0], AutoModelForSeq2SeqLM)],
)
def test_a_saved_model_keeps_its_terms(name: str, loader: Any, tmp_path: Path) -> None:
    program = {"encoder": {"mask": "window(2) + alibi(4) + bias(is_star, -0.5)", "layers": {"-1": "full() + alibi()"}}}
    model = apply_masks(build(name), program, special_tokens={"star": 7})
    model.save_pretrained(tmp_path)
    loaded = loader.from_pretrained(tmp_path, trust_remote_code=True)
    inputs = batch(name)
    assert loaded(**inputs).logits.equal(model(**inputs).logits)
    found, _ = saved_masks(model.config) or (None, None)
    assert found == Program.from_config(program)
    assert not torch.allclose(loaded(**inputs).logits, build(name)(**inputs).logits, atol=1e-2)


@pytest.mark.parametrize("name", ["BertForTokenClassification", PAIRS[0]])
def test_compiled_code_is_one_graph(name: str) -> None:
    program = PROGRAM if name in PAIRS else {"encoder": PROGRAM["encoder"]}
    model = apply_masks(build(name), program)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for inputs in (batch(name), batch(name, "left")):
        torch.testing.assert_close(compiled(**inputs).logits, model(**inputs).logits, atol=1e-5, rtol=1e-5)


def test_a_window_of_the_architecture_keeps_the_terms() -> None:
    torch.manual_seed(0)
    model: Any = AutoModel.from_config(OTHERS["modernbert"]).eval()  # type: ignore[no-untyped-call]
    apply_masks(model, {"encoder": "window(6) + alibi()"})
    (stack,) = find_stacks(model)
    assert set(stack.own_masks()) == {full(), window(2)}
    plain: Any = AutoModel.from_config(OTHERS["modernbert"]).eval()  # type: ignore[no-untyped-call]
    apply_masks(plain, {"encoder": "window(6)"})
    plain.load_state_dict(model.state_dict())
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    assert not torch.allclose(model(ids).last_hidden_state, plain(ids).last_hidden_state)


def test_bfloat16_is_close_to_float32() -> None:
    name = "BertForTokenClassification"
    model = apply_masks(build(name), {"encoder": PROGRAM["encoder"]})
    inputs = batch(name)
    expected = model(**inputs).logits
    with torch.autocast("cpu", torch.bfloat16):
        found = model(**inputs).logits
    assert (found - expected).abs().median() < 0.1 * expected.abs().median()
