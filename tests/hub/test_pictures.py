"""The masks of a model card are drawn as text and as a picture."""

from pathlib import Path

import pytest

from finetune import compose
from finetune.hub.pictures import LENGTH, PICTURE, draw_masks
from finetune.hub.run_facts import RunFacts


@pytest.mark.parametrize("mask", ["window(2) | global_tokens(cls)", "same(sentence)", "prefix(n)"])
def test_each_mask_is_drawn(run: Path, mask: str) -> None:
    recipe = compose.load_recipe(str(run / "recipe.yaml"))
    (run / "recipe.yaml").write_text(compose.to_yaml(compose.override(recipe, {"attention.encoder": mask})))
    drawing = draw_masks(RunFacts.read(run))
    assert len(drawing.splitlines()) >= LENGTH
    assert (run / "model" / PICTURE).read_bytes().startswith(b"\x89PNG")
