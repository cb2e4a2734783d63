import pytest
from pydantic import ValidationError

from finetune.attention.masks import window
from finetune.recipe import Attention, SiteSection


def test_a_text_and_a_mask_stand_for_the_mask_of_all_layers() -> None:
    for given in ("window(3)", window(3), {"mask": "window(3)"}):
        attention = Attention.model_validate({"encoder": given})
        assert attention.encoder == SiteSection(mask="window(3)")
        assert attention.program.for_layer("encoder", 1, 2) == window(3)


def test_masks_of_layers_may_be_objects_and_numbers_of_layers_integers() -> None:
    site = SiteSection.model_validate({"layers": {0: window(3), "-1": "full()"}})
    assert site.layers == {"0": "window(3)", "-1": "full()"}
    assert SiteSection.model_validate({"mask": window(2)}).mask == "window(2)"


def test_no_mask_leaves_attention_standard() -> None:
    assert Attention().program.is_standard
    assert not Attention.model_validate({"decoder": "window(3)"}).program.is_standard


def test_a_mask_that_cannot_be_parsed_is_refused_when_the_recipe_is_read() -> None:
    with pytest.raises(ValidationError, match="did you mean 'window'"):
        Attention.model_validate({"encoder": "widnow(3)"})
    with pytest.raises(ValidationError, match=r"must be below 2\*\*62"):
        Attention.model_validate({"encoder": "window(99999999999999999999)"})
