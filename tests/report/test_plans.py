"""The plans of a recipe name masks, layers, kernels and what reaches the head."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.attention.masks import alibi, bias, full, window
from finetune.attention.planning import Explanation
from finetune.compose import override
from finetune.errors import UserError
from finetune.recipe import Data, Model, Recipe, Scratch, TextToText, TokenClassification
from finetune.report import explain_recipe
from finetune.report.plans import LayerPlan, Plans
from tests.training.conftest import write_rows


@pytest.fixture
def tagger(tmp_path: Path) -> Recipe:
    data = write_rows(tmp_path / "data", "token_classification", {"train": 40, "dev": 8, "test": 8})
    scratch = Scratch(architecture="bert", size="tiny", vocab_size=200)
    return Recipe(
        name="toy",
        task=TokenClassification(max_length=32, stride=4),
        model=Model(scratch=scratch),
        data=Data(path=str(data)),
        output_dir=tmp_path / "runs",
    )


def explained(recipe: Recipe, **overrides: Any) -> list[tuple[str, tuple[int, ...], str]]:
    plans = explain_recipe(override(recipe, overrides))
    for layer in plans.layers:
        pairs = layer.explanation
        assert 0 < pairs.allowed_pairs <= pairs.computed_pairs
        assert pairs.allowed_pairs <= pairs.padded_pairs
    return [(layer.site, layer.layers, str(layer.explanation.mask)) for layer in plans.layers]


def test_layers_with_one_mask_are_told_together(tagger: Recipe) -> None:
    assert explained(tagger) == [("encoder", (0, 1), "full()")]
    masks = {"mask": "window(1)", "layers": {"-1": "full()"}}
    assert explained(tagger, **{"attention.encoder": masks}) == [
        ("encoder", (0,), "window(1)"),
        ("encoder", (1,), "full()"),
    ]


@pytest.fixture
def translator(tagger: Recipe, tmp_path: Path) -> Recipe:
    data = write_rows(tmp_path / "pairs", "text_to_text", {"train": 40, "dev": 8, "test": 8})
    update = {"task": TextToText(), "data": Data(path=str(data))}
    return override(tagger.model_copy(update=update), {"model.scratch.architecture": "t5"})


def test_a_decoder_to_whose_masks_causal_is_added_says_so(translator: Recipe) -> None:
    masks = {"mask": "window(2)", "layers": {"0": "causal() & window(3)"}}
    plans = explain_recipe(override(translator, {"attention.decoder": masks}))
    sites, layers, texts = ([*column.cells] for column in plans.table().columns[:3])
    assert list(zip(sites, layers, texts, strict=True)) == [
        ("encoder", "0-1", "full()"),
        ("decoder", "0", "causal() & window(3)"),
        ("decoder, with causal() added", "1", "causal() & window(2)"),
        ("cross", "0-1", "full()"),
    ]
    assert "added" not in str([column.cells for column in explain_recipe(translator).table().columns])


def test_every_site_is_told_and_no_run_is_left(translator: Recipe, tmp_path: Path) -> None:
    assert [site for site, *_ in explained(translator, **{"attention.cross": "window(5)"})] == [
        "encoder",
        "decoder",
        "cross",
    ]
    assert not (tmp_path / "runs").exists()


def test_the_kernel_that_the_recipe_names_is_taken(tagger: Recipe) -> None:
    plans = explain_recipe(override(tagger, {"attention.kernel": "blocks", "attention.encoder": "window(1)"}))
    assert "blocks" in plans.layers[0].explanation.kernel


def test_padded_batches_have_no_plans(tagger: Recipe) -> None:
    with pytest.raises(UserError, match="only ragged batches are planned") as caught:
        explain_recipe(override(tagger, {"training.layout": "padded"}))
    assert "training.layout=ragged" in str(caught.value)


def test_what_reaches_the_head_is_told_by_layer(tagger: Recipe) -> None:
    plans = explain_recipe(override(tagger, {"attention.encoder": {"mask": "none()", "layers": {"1": "full()"}}}))
    table = plans.reach_table()
    assert table is not None
    cells = [list(column.cells) for column in table.columns]
    assert cells[:3] == [["encoder", "encoder"], ["0", "1"], ["1", cells[3][1]]]
    assert plans.warnings == ()
    assert explain_recipe(tagger).reach_table() is None


def explanation(padded_cost: float, *, kernel: str = "blocks of 32 queries", computed: int = 30) -> Explanation:
    return Explanation(window(1), (kernel,), ((0, 3),), 20, computed, 100, cost=1.0, padded_cost=padded_cost)


@pytest.mark.parametrize(
    ("padded_cost", "expected", "cell"),
    [
        (2.0, "take 50% less time than in padded rows.", "50% less"),
        (0.97, "take 3% more time than in padded rows.", "3% more"),
        (1.0, "take as much time as in padded rows.", "as much"),
        (1.001, "take as much time as in padded rows.", "as much"),
        (0.999, "take as much time as in padded rows.", "as much"),
    ],
)
def test_what_is_saved_is_a_plain_sentence(padded_cost: float, expected: str, cell: str) -> None:
    plans = Plans(2, 10, 7, (LayerPlan("encoder", (0, 1), explanation(padded_cost)),))
    told = list(plans.sentences())
    assert told[1] == "encoder, layers 0-1: window(1)"
    assert told[4].endswith(expected)
    assert not any("-" in line.replace("0-1", "") for line in told), "no negative numbers"
    assert list(plans.table().columns[-1].cells) == [cell]


def test_attention_that_takes_longer_is_not_all_of_a_step() -> None:
    for padded_cost, expected in ((2.0, False), (0.9, True)):
        plans = Plans(2, 10, 7, (LayerPlan("encoder", (0, 1), explanation(padded_cost)),))
        assert any("attention alone" in line for line in plans.sentences()) == expected


def test_a_mask_that_saves_nothing_says_so() -> None:
    whole = LayerPlan("encoder", (0,), explanation(2.0, kernel="whole examples"))
    assert any("excludes are computed, too" in line for line in whole.sentences())
    without, scored = (replace(whole.explanation, mask=mask) for mask in (full(), alibi()))
    for other in (without, scored, explanation(2.0)):
        told = LayerPlan("encoder", (0,), other).sentences()
        assert not any("excludes are computed, too" in line for line in told)


def test_score_terms_are_named() -> None:
    scored = replace(explanation(2.0), mask=window(1) + alibi() + bias("word", 1))
    expected = "alibi(), bias(word, 1.0): added to the scores of allowed pairs before the softmax."
    assert expected in LayerPlan("encoder", (0,), scored).sentences()
    assert not any("added to the scores" in line for line in LayerPlan("encoder", (0,), explanation(2.0)).sentences())


def test_hidden_text_is_warned_of(tagger: Recipe) -> None:
    (warning,) = explain_recipe(override(tagger, {"attention.encoder": "none()"})).warnings
    assert str(warning).startswith("a labelled token reaches 1 of ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernel runs on this machine")
@pytest.mark.parametrize("masks", [{}, {"attention.encoder": "window(1)"}])
def test_a_kernel_that_does_not_run_on_the_device_is_refused(tagger: Recipe, masks: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="'flex' runs on CUDA alone, not on cpu") as caught:
        explain_recipe(override(tagger, {"attention.kernel": "flex", **masks}))
    assert "attention" in str(caught.value)
