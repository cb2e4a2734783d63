"""The attention weights of a finished run are drawn."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import report
from finetune.compose import override
from finetune.errors import UserError
from finetune.recipe import Data, Model, Recipe, Scratch, TextClassification, TextToText, TokenClassification, Training
from finetune.run import run_recipe

ROWS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "text_classification": lambda r: {"text": "a red dog. so", "label": r.choice("ab")},
    "token_classification": lambda r: {"tokens": ["a", "dog"], "labels": ["O", r.choice("OX")]},
    "text_to_text": lambda r: {"source": "a red dog", "target": r.choice(["ein hund", "hund"])},
}
TASKS = {
    "text_classification": TextClassification(max_length=16),
    "token_classification": TokenClassification(max_length=16, stride=2),
    "text_to_text": TextToText(max_source_length=16, max_target_length=8, num_beams=1),
}


def finished(folder: Path, kind: str, architecture: str, **overrides: Any) -> Path:
    """The folder of a short run."""
    generator = random.Random(0)
    for split in ("train", "dev", "test"):
        rows = [ROWS[kind](generator) for _ in range(12)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = Recipe(
        name="toy",
        task=TASKS[kind],
        model=Model(scratch=Scratch(architecture=architecture, size="tiny", vocab_size=100)),
        data=Data(path=str(folder)),
        training=Training(steps=1, batch_size=4),
        output_dir=folder / "runs",
    )
    run_recipe(override(recipe, overrides))
    (path,) = (folder / "runs" / "toy").iterdir()
    return path


@pytest.mark.parametrize(
    ("kind", "architecture", "site"),
    [
        ("text_classification", "bert", "encoder"),
        ("text_classification", "t5", "encoder"),
        ("token_classification", "t5", "encoder"),
        ("text_to_text", "t5", "cross"),
        ("text_to_text", "bert", "decoder"),
    ],
)
def test_a_panel_a_head(tmp_path: Path, kind: str, architecture: str, site: Any) -> None:
    drawn = report.draw_weights(finished(tmp_path, kind, architecture), "a red dog", site=site)
    assert f"{site}, layer 1, head 0" in drawn
    assert f"{site}, layer 1, head 1" in drawn
    assert "dog" in drawn or site != "encoder"


def test_weights_obey_the_runs_masks(tmp_path: Path) -> None:
    masks = {"attention.encoder": {"mask": "window(0)", "layers": {"-1": "same(word)"}}}
    path = finished(tmp_path, "text_classification", "bert", **masks)
    first = report.draw_weights(path, "a red dog", layer=0)
    assert "encoder, layer 0, head 1: window(0)" in first
    assert "blank: masked" in first
    rows = [line.split()[-1] for line in first.splitlines() if line.endswith("██") or line.rstrip().endswith("██")]
    assert rows
    assert set(rows) == {"██"}
    second = report.draw_weights(path, "a red dog", layer=1)
    assert "encoder, layer 1, head 0: same(word)" in second


def test_a_decoder_to_whose_mask_causal_is_added_says_so(tmp_path: Path) -> None:
    path = finished(tmp_path, "text_to_text", "t5", **{"attention.decoder": "per_head(window(1), causal())"})
    drawn = report.draw_weights(path, "a red dog", site="decoder")
    assert "decoder, layer 1, head 0, with causal() added: causal() & window(1)\n" in drawn
    assert "decoder, layer 1, head 1: causal()\n" in drawn
    mean = report.draw_weights(path, "a red dog", site="decoder", head="mean")
    assert "decoder, layer 1, mean of 2 heads, with causal() added: per_head(causal() & window(1), causal())" in mean
    assert "added" not in report.draw_weights(path, "a red dog", site="cross")


def test_one_head_and_the_mean_of_all(tmp_path: Path) -> None:
    path = finished(tmp_path, "text_classification", "bert")
    one = report.draw_weights(path, "a red dog", head=-1, picture=tmp_path / "weights.svg")
    assert "layer 1, head 1: full()" in one
    assert "head 0" not in one
    assert "attention weight" in (tmp_path / "weights.svg").read_text()
    mean = report.draw_weights(path, "a red dog", head="mean")
    assert mean.startswith("encoder, layer 1, mean of 2 heads: full()")
    with pytest.raises(UserError, match="there is no head 2") as caught:
        report.draw_weights(path, "a red dog", head=2)
    assert caught.value.expected == "0 to 1, or -1 for the last"
    with pytest.raises(UserError, match="cannot be written"):
        report.draw_weights(tmp_path / "nowhere", "a", picture=tmp_path / "weights.gif")


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run"):
        report.draw_weights(tmp_path, "a")
    path = finished(tmp_path, "text_classification", "bert")
    with pytest.raises(UserError, match="there is no layer 9"):
        report.draw_weights(path, "a", layer=9)
    with pytest.raises(UserError, match="at most 512 tokens"):
        report.draw_weights(path, "a " * 700)
    with pytest.raises(UserError, match="no decoder that writes text"):
        report.draw_weights(path, "a", site="decoder")
    with pytest.raises(UserError, match="give the folder of a run that is finished"):
        report.draw_weights(path / "model", "a")


def test_a_pair_for_a_model_that_reads_one_text_is_refused(tmp_path: Path) -> None:
    path = finished(tmp_path, "token_classification", "bert")
    with pytest.raises(UserError, match="the run's model reads one text, not a pair"):
        report.draw_weights(path, "a dog", pair="a house")


def test_the_decoder_is_drawn_after_its_prompt(tmp_path: Path) -> None:
    masks = {"attention.decoder": "causal() | prefix(3)", "task.target_prompt": "hund hund "}
    run_recipe = finished(tmp_path, "text_to_text", "bert", **masks)
    drawn = report.draw_weights(run_recipe, "a red dog", site="decoder").splitlines()
    start = drawn.index(next(row for row in drawn if row.lstrip().startswith("[CLS] ")))
    rows = [row.split(maxsplit=1) for row in drawn[start : start + 4]]
    assert [token for token, _ in rows[:3]] == ["[CLS]", "▁hund", "▁hund"]
    # What is masked is blank.
    seen = [len(weights.rstrip()) for _, weights in rows]
    assert seen == [3, 3, 3, 4], "the whole prompt is seen from its first token on"
