import logging

import pytest
import torch
from transformers.utils import logging as transformers_logging

from finetune.models.quiet import quiet, seeded


def test_reports_are_silenced_for_the_block_only() -> None:
    before = transformers_logging.get_verbosity()
    with quiet():
        assert transformers_logging.get_logger("transformers").getEffectiveLevel() > before
        assert transformers_logging.tqdm(range(2)).disable
    assert transformers_logging.get_verbosity() == before
    assert not transformers_logging.tqdm(range(2)).disable


def test_accelerate_is_silenced_for_the_block_only(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("accelerate.utils.other")
    with quiet():
        logger.warning("Removed shared tensor")
        logger.error("an error")
    logger.warning("later")
    assert caplog.messages == ["an error", "later"]


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1):
        torch.rand(10)
    assert torch.equal(torch.rand(3), expected)


def test_the_block_depends_on_the_seed_alone() -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.rand(4)
        with seeded(seed):
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
