import pytest
import transformers

from finetune.attention.pretrained import PretrainedError
from finetune.attention.standalone.classes import automatic_class
from tests.attention.pretrained.tiny import MODELS, build


@pytest.mark.parametrize("name", MODELS)
def test_the_automatic_class_loads_the_models_own_class(name: str) -> None:
    model = build(name)
    automatic = getattr(transformers, automatic_class(type(model).__name__))
    assert type(automatic.from_config(model.config)) is type(model)


def test_a_class_of_no_automatic_class() -> None:
    with pytest.raises(PretrainedError, match=r"masks of a Own cannot be saved.*Call remove_masks"):
        automatic_class("Own")
