import pytest
from pydantic import ValidationError

from finetune.recipe import Adapter


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "lora", "rank": 4, "alpha": 8.0, "dropout": 0.1, "targets": ("query",), "merge": True},
        {"kind": "ia3", "targets": ("key",), "merge": True},
        {"kind": "prefix_tuning", "num_virtual_tokens": 3},
    ],
)
def test_each_kind_takes_its_own_keys(keys: dict[str, object]) -> None:
    assert Adapter.model_validate(keys).model_dump(exclude_unset=True) == keys


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "ia3", "rank": 4}, "ia3 takes merge, targets, found rank"),
        ({"kind": "prefix_tuning", "merge": True}, "prefix_tuning takes num_virtual_tokens, found merge"),
        ({"num_virtual_tokens": 3, "rank": 2}, "lora takes alpha, dropout, merge, rank, targets, found num_virtual"),
    ],
)
def test_a_key_of_another_kind_is_refused_with_those_that_fit(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Adapter.model_validate(keys)
