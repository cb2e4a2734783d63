"""Pictures of masks and weights."""

from pathlib import Path

import pytest
import torch

from finetune.attention.drawing import Panel, mask_panels
from finetune.attention.masks.parse import parse
from finetune.attention.picture import FORMATS, save_picture

START = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF"}


def weights_panel() -> Panel:
    allowed = parse("window(1)").dense(4)[0]
    return Panel("encoder, layer 0, head 0: window(1)", torch.rand(4, 4) * allowed, allowed)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("length", [0, 1, 5, 70])
def test_masks(length: int, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"mask{ending}"
    panels = mask_panels(parse("per_head(causal(), full(), window(1))"), length, num_heads=3)
    save_picture(panels, path, ["$x$"] * length)
    assert path.read_bytes().startswith(START[ending])


@pytest.mark.parametrize("ending", FORMATS)
def test_weights(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{ending}"
    save_picture([weights_panel(), weights_panel()], path)
    assert path.read_bytes().startswith(START[ending])


def test_what_a_picture_says(tmp_path: Path) -> None:
    mask, weights = tmp_path / "mask.svg", tmp_path / "weights.svg"
    save_picture(mask_panels(parse("window(1)"), 4), mask)
    save_picture([weights_panel()], weights)
    # Text is drawn as shapes, and matplotlib writes it as a comment beside them.
    assert all(f"<!-- {text} -->" in mask.read_text() for text in ("window(1)", "may attend", "may not"))
    assert "attention weight (hatched: masked)" in weights.read_text()
    assert "encoder, layer 0, head 0: window(1)" in weights.read_text()


def test_scores_have_a_color_bar_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "scores.svg"
    save_picture([*mask_panels(parse("window(1) + alibi(256)"), 4), weights_panel()], path)
    written = path.read_text()
    for text in ("window(1) + alibi(256.0)", "added to the score (hatched: masked)", "attention weight"):
        assert f"<!-- {text}" in written
    assert "may attend" not in written
    save_picture(mask_panels(parse("none() + alibi()"), 3), path)
    save_picture(mask_panels(parse("full() + alibi()"), 0), path)


@pytest.mark.parametrize("ending", [".svg", ".pdf"])
def test_the_same_panels_give_the_same_bytes(ending: str, tmp_path: Path) -> None:
    panels = mask_panels(parse("window(1)"), 4)
    first, second = tmp_path / f"first{ending}", tmp_path / f"second{ending}"
    save_picture(panels, first)
    save_picture(panels, second)
    assert first.read_bytes() == second.read_bytes()


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.png, \.svg, \.pdf, not in '\.gif'"):
        save_picture([weights_panel()], tmp_path / "weights.gif")
