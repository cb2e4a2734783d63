"""Masks drawn and explained from Python, as the commands do."""

from pathlib import Path

import pytest

import finetune
from finetune.attention import parse
from finetune.errors import UserError
from tests.library.conftest import recipe
from tests.training.conftest import write_rows


def test_a_mask_is_drawn_from_its_text_or_itself(tmp_path: Path) -> None:
    text = "window(1) | global_tokens(0)"
    drawn = finetune.draw_mask(text, length=6)
    assert finetune.draw_mask(parse(text), length=6) == drawn
    assert len({finetune.draw_mask(text, length=length) for length in (5, 6, 7)}) == 3
    finetune.draw_mask(text, length=6, picture=tmp_path / "mask.png")
    assert (tmp_path / "mask.png").stat().st_size > 0


def test_a_mask_that_cannot_be_read_or_drawn() -> None:
    with pytest.raises(UserError, match="the mask cannot be read"):
        finetune.draw_mask("windw(3)")
    with pytest.raises(UserError, match="the mask cannot be drawn"):
        finetune.draw_mask("global_tokens(cls)")


def test_a_recipe_is_explained(tmp_path: Path) -> None:
    write_rows(tmp_path / "data", "text_classification", {"train": 40, "dev": 8, "test": 8})
    given = recipe(tmp_path) | {"data": {"path": str(tmp_path / "data")}}
    plans = finetune.explain(given, {"attention.encoder": "window(1)"})
    assert [str(layer.explanation.mask) for layer in plans.layers] == ["window(1)"]
    assert 0 < plans.layers[0].explanation.allowed_share < 0.5
    assert plans.examples == 16
    assert not (tmp_path / "runs").exists()
