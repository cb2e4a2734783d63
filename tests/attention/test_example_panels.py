"""The masks of a made-up example."""

import pytest
import torch

from finetune.attention import Program
from finetune.attention.example_panels import LENGTH, example_features, example_panels


def program(**sites: str) -> Program:
    return Program.from_config(sites)


def test_only_sites_with_masks_of_their_own_are_drawn() -> None:
    panels = example_panels(program(encoder="window(2)"), num_layers=3, num_heads=2)
    assert len(panels) == 1
    distance = (torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)).abs()
    assert torch.equal(panels[0].values, distance <= 2)


@pytest.mark.parametrize(("name", "where"), [("cls", 0), ("bos", 0), ("sep", LENGTH - 1), ("eos", LENGTH - 1)])
def test_special_tokens_are_at_the_ends(name: str, where: int) -> None:
    features = example_features(program(encoder=f"global_tokens({name})"), LENGTH)
    assert features[f"is_{name}"].nonzero().flatten().tolist() == [where]


def test_segments_are_thirds_and_values_a_quarter() -> None:
    features = example_features(program(encoder="same(sentence) | prefix(n)"), 12)
    assert features["sentence"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert features["n"].item() == 3
