import pytest

from finetune.attention.masks import (
    MaskError,
    causal,
    full,
    none,
    per_head,
    window,
)


def test_masks_alike_in_all_heads_are_one() -> None:
    assert per_head(causal()) == causal()
    assert per_head(causal(), causal()) == causal()
    assert window(2, 2) == window(2)


def test_three_masks_on_six_heads() -> None:
    mask = per_head(full(), none(), causal())
    assert mask.dense(2, num_heads=6).sum((1, 2)).tolist() == [4, 4, 0, 0, 3, 3]


def test_heads_must_be_shared_evenly() -> None:
    mask = per_head(full(), none(), causal())
    with pytest.raises(MaskError, match="must be a multiple of 3, got 4"):
        mask.dense(2, num_heads=4)
    with pytest.raises(MaskError, match="must be a multiple of 3, got 4"):
        mask.count(2, num_heads=4)


def test_a_mask_inside_another_counts_the_heads_of_the_model() -> None:
    inner = per_head(full(), none())
    mask = per_head(inner, causal())
    assert [mask.at_head(head, 4) for head in range(4)] == [full(), full(), causal(), causal()]
    assert mask.needs.heads == 2
