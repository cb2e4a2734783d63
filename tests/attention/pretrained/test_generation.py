from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from finetune.attention.pretrained import PretrainedError, apply_masks, generate
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import PAD, SEP, SOURCE, batch, build

NAMES = pytest.mark.parametrize("name", ["T5ForConditionalGeneration", "EncoderDecoderModel"])
PROGRAM = {
    "encoder": "window(1)",
    "decoder": {"mask": "window(2)", "layers": {"0": "per_head(window(1), full())"}},
    "cross": {"mask": "window(1, 2)", "layers": {"-1": "per_head(prefix(3), strided(2))"}},
}
"""A program whose cross-attention depends on the query's position, which transformers counts from 0 in each step."""
STEPS = 6


def source(name: str, side: str = "right") -> dict[str, Tensor]:
    return {key: each for key, each in batch(name, side).items() if key != "labels"}


def masked(name: str, program: Any = PROGRAM, **options: Any) -> PreTrainedModel:
    return apply_masks(build(name, seed=1), program, **options)


@dataclass
class Written:
    """Generated tokens, and the logits or scores by which they were chosen."""

    tokens: Tensor
    numbers: Tensor

    def __getitem__(self, row: slice) -> "Written":
        return Written(self.tokens[row], self.numbers[row])

    def same_as(self, other: "Written") -> bool:
        return self.tokens.equal(other.tokens) and self.numbers.allclose(other.numbers, atol=1e-5, rtol=1e-5)


def write(model: PreTrainedModel, inputs: Mapping[str, Any], num_beams: int = 1, **options: Any) -> Written:
    """Generate STEPS tokens without stopping before; numbers are each step's logits, or the score of the best beam."""
    outputs = generate(
        model,
        **inputs,
        **options,
        num_beams=num_beams,
        max_new_tokens=STEPS,
        min_new_tokens=STEPS,
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
        output_scores=True,
    )
    numbers = torch.stack(outputs.logits, dim=1) if num_beams == 1 else outputs.sequences_scores
    return Written(outputs.sequences, numbers)


@NAMES
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_steps_are_those_of_training(name: str, side: str, use_cache: bool) -> None:
    model, inputs = masked(name), source(name, side)
    written = write(model, inputs, use_cache=use_cache)
    at_once = model(**inputs, decoder_input_ids=written.tokens[:, :-1]).logits
    torch.testing.assert_close(written.numbers, at_once, atol=1e-5, rtol=1e-5)
    stock = build(name, seed=1)(**inputs, decoder_input_ids=written.tokens[:, :-1]).logits
    assert (stock - at_once).abs().amax(-1).gt(1e-2).all()


@NAMES
@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_standard_program_writes_what_the_stock_model_writes(name: str, num_beams: int) -> None:
    inputs = source(name)
    stock = write(build(name, seed=1), inputs, num_beams=num_beams)
    assert write(masked(name, Program()), inputs, num_beams=num_beams).same_as(stock)


def best_of_beams(model: PreTrainedModel, inputs: dict[str, Tensor], beams: int) -> Written:
    """Return the first example's text of a beam search that computes all tokens in each step."""
    first = {key: each[:1] for key, each in inputs.items()}
    start = int(model.generation_config.decoder_start_token_id)
    candidates: list[tuple[tuple[int, ...], float]] = [((start,), 0.0)]
    for _ in range(STEPS):
        grown = []
        for tokens, score in candidates:
            logits = model(**first, decoder_input_ids=torch.tensor([tokens])).logits[0, -1]
            # transformers takes the closing token out of the probabilities, not of the logits.
            steps = logits.log_softmax(-1).index_fill(0, torch.tensor([SEP]), -torch.inf)
            grown += [((*tokens, token), score + float(steps[token])) for token in steps.topk(beams).indices.tolist()]
        candidates = sorted(grown, key=lambda each: -each[1])[:beams]
    tokens, score = candidates[0]
    return Written(torch.tensor([tokens]), torch.tensor([score / STEPS]))


@NAMES
@pytest.mark.parametrize("use_cache", [True, False])
def test_beams_are_those_of_whole_forwards(name: str, use_cache: bool) -> None:
    model, inputs = masked(name), source(name)
    with torch.no_grad():
        expected = best_of_beams(model, inputs, beams=3)
    assert write(model, inputs, num_beams=3, use_cache=use_cache)[:1].same_as(expected)


@NAMES
def test_a_prompt_counts_as_the_beginning_of_the_text(name: str) -> None:
    program = {"decoder": "causal() | prefix(3)", "cross": "window(1)"}
    model, inputs = masked(name, program), source(name)
    prompt = torch.tensor([[PAD, 5, 6, 7], [PAD, 7, 6, 5]])
    cached, whole = (write(model, inputs, decoder_input_ids=prompt, use_cache=each) for each in (True, False))
    assert cached.same_as(whole)


def test_a_padded_prompt_is_excluded() -> None:
    model, inputs = masked("T5ForConditionalGeneration"), source("T5ForConditionalGeneration")
    alone = {key: each[1:] for key, each in inputs.items()}
    prompt, keep = torch.tensor([[PAD, 5, 6, 7], [PAD, PAD, 6, 5]]), torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    written = write(model, inputs, decoder_input_ids=prompt, decoder_attention_mask=keep)
    expected = write(model, alone, decoder_input_ids=prompt[1:, 1:], decoder_attention_mask=keep[1:, 1:])
    assert Written(written.tokens[1:, 1:], written.numbers[1:]).same_as(expected)


SOURCE_FEATURES = {
    "side": torch.tensor([[0, 0, 0, 1, 1, 1, 2], [5, 5, 5, 4, 0, 0, 0]]),
    "opening": torch.tensor([2, 3]),
}


@NAMES
@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("use_cache", [True, False])
def test_features_of_the_source_reach_all_sites(name: str, num_beams: int, use_cache: bool) -> None:
    program = {"encoder": "same(side)", "decoder": "causal() & prefix(opening)", "cross": "prefix(opening)"}
    model, inputs = masked(name, program), source(name)
    options: dict[str, Any] = {"num_beams": num_beams, "use_cache": use_cache}
    written = write(model, inputs, mask_features=SOURCE_FEATURES, **options)
    fixed = {"encoder": "blocks(3)", "decoder": "causal() & prefix({})", "cross": "prefix({})"}
    for row, opening in enumerate(SOURCE_FEATURES["opening"].tolist()):
        expected = masked(name, {site: mask.format(opening) for site, mask in fixed.items()})
        assert write(expected, inputs, **options)[row : row + 1].same_as(written[row : row + 1])


@NAMES
@pytest.mark.parametrize("num_beams", [1, 2])
def test_special_tokens_of_the_source_reach_the_cross_attention(name: str, num_beams: int) -> None:
    model, inputs = masked(name, {"cross": "global_tokens(eos)"}), source(name)
    written = write(model, inputs, num_beams=num_beams)
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        only_last = masked(name, {"cross": f"prefix({length}) & ~prefix({length - 1})"})
        assert (inputs["input_ids"] == SEP)[row].nonzero().tolist() == [[length - 1]]
        assert write(only_last, inputs, num_beams=num_beams)[row : row + 1].same_as(written[row : row + 1])


@NAMES
def test_columns_of_the_target_need_whole_forwards(name: str) -> None:
    model = masked(name, {"decoder": "global_tokens(star) | window(1)"}, special_tokens={"star": 7})
    inputs = source(name)
    written = write(model, inputs, use_cache=False)
    at_once = model(**inputs, decoder_input_ids=written.tokens[:, :-1]).logits
    torch.testing.assert_close(written.numbers, at_once, atol=1e-5, rtol=1e-5)
    with pytest.raises(PretrainedError, match=r"reads token columns, which a cache does not hold.*use_cache=False"):
        write(model, inputs)


@NAMES
@pytest.mark.parametrize(
    ("site", "mask"), [("decoder", "random_keys(2, 0)"), ("cross", "global_tokens(-1)"), ("cross", "random_keys(2, 0)")]
)
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_mask_that_depends_on_the_length_is_refused(name: str, site: str, mask: str, use_cache: bool) -> None:
    model, inputs = masked(name, {site: mask}), source(name)
    model(**inputs, decoder_input_ids=torch.tensor([[3, 4]] * 2))
    with pytest.raises(PretrainedError, match=f"site '{site}' depends on the length of the text"):
        write(model, inputs, use_cache=use_cache)


@NAMES
@pytest.mark.parametrize("mask", ["causal() | prefix(3)", "full()", "window(1)"])
def test_tokens_in_the_cache_that_ought_to_have_seen_later_ones_are_refused(name: str, mask: str) -> None:
    model, inputs = masked(name, {"decoder": {"mask": mask, "bidirectional": True}}), source(name)
    with pytest.raises(PretrainedError, match="lets tokens in the cache attend to later ones"):
        write(model, inputs)
    assert write(model, inputs, use_cache=False).tokens.shape == (2, 1 + STEPS)


def test_a_static_cache_is_refused() -> None:
    with pytest.raises(PretrainedError, match="static cache"):
        write(masked("T5ForConditionalGeneration"), source("T5ForConditionalGeneration"), cache_implementation="static")


@NAMES
def test_features_of_another_size_are_refused(name: str) -> None:
    model, inputs = masked(name, {"cross": "prefix(opening)"}), source(name)
    for features, message in (
        (
            {"opening": torch.tensor([1])},
            r"the feature 'opening' of the masks has shape \[1\]; expected \[2, 7\].*\[2\], a number",
        ),
        ({"opening": torch.ones(2, SOURCE + 1).long()}, r"has shape \[2, 8\]"),
        ([1, 2], "features of masks must be a mapping from names to tensors, got list"),
    ):
        with pytest.raises(PretrainedError, match=message):
            generate(model, mask_features=features, **inputs)  # type: ignore[arg-type]
    with pytest.raises(PretrainedError, match=r"example's value 'opening', which is not given.*mask_features="):
        write(model, inputs)
    with pytest.raises(PretrainedError, match="generate needs the attention_mask"):
        generate(model, mask_features={}, input_ids=inputs["input_ids"])
