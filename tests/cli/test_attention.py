"""Drawings of masks from the command line."""

from pathlib import Path

import pytest

from tests.cli.commands import finetune


def test_mask_is_drawn_over_positions() -> None:
    shown = finetune("mask", "window(1) | global_tokens(0)", "--length", "5")
    assert shown.returncode == 0
    assert shown.stdout.startswith("window(1) | global_tokens(0)")


def test_masks_of_a_site_are_drawn_as_a_recipe_has_them(tmp_path: Path) -> None:
    picture = tmp_path / "mask.svg"
    site = "{mask: window(1), layers: {-1: full()}}"
    shown = finetune("mask", site, "--length", "5", "--layers", "2", "--picture", str(picture))
    assert shown.returncode == 0
    assert "encoder, layer 1: full()" in shown.stdout
    assert "<svg" in picture.read_text()


def test_a_recipes_masks_are_drawn() -> None:
    shown = finetune("mask", "recipe=wmt14", "attention.cross=window(2)", "--length", "5", "--layers", "2")
    assert shown.returncode == 0
    assert shown.stdout.startswith("cross")


@pytest.mark.parametrize(
    "words",
    [
        ["mask", "widnow(1)"],
        ["mask", "window(1)", "global_tokens(0)"],
        ["attention", ".", "--text", "a"],
        ["attention", ".", "--text", "a", "--head", "0", "--mean"],
        ["mask", "window(1)", "--picture", "mask.gif"],
    ],
)
def test_mistakes_in_drawing(words: list[str]) -> None:
    shown = finetune(*words)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert "Traceback" not in shown.stderr
