import dataclasses
from typing import Any

import pytest

from finetune.recipe import TextClassification


def test_a_context_is_replaced_and_never_changed(make: Any) -> None:
    _, context = make(TextClassification(), labels=("a", "b"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        context.labels = ("c",)
    assert dataclasses.replace(context, ragged=True).labels == context.labels
