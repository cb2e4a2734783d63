"""The variants that benchmarks compare compute what they are named for, however often they are used."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scripts.benchmark_models import shape, write
from scripts.trainer_variant import TrainerVariant
from scripts.training_variants import VARIANTS, LoopVariant
from scripts.variant import Prepared

TYPES = {
    "(b) Trainer, dynamic padding": torch.float32,
    "(c) Trainer, tuned": torch.bfloat16,
    "finetune, fp32": torch.float32,
    "finetune, bf16": torch.bfloat16,
}


@pytest.mark.parametrize("name", TYPES)
def test_steps_and_all_epochs_compute_in_the_variants_precision(name: str, tmp_path: Path) -> None:
    quick = shape("minilm", quick=True)
    write(quick, tmp_path, 64)
    variant = VARIANTS[name](Prepared(quick, tmp_path, 64))
    assert isinstance(variant, LoopVariant | TrainerVariant)
    model = variant.run.model if isinstance(variant, LoopVariant) else variant.model
    found: list[torch.dtype] = []

    def note(module: nn.Module, inputs: object, output: Tensor) -> None:
        found.append(output.dtype)

    classifier = model.classifier
    assert isinstance(classifier, nn.Module)
    classifier.register_forward_hook(note)
    for use in ("steps", "epoch", "epoch"):
        found.clear()
        if use == "steps":
            with variant.at_work():
                variant.steps(1)[0]()
        else:
            variant.epoch()
        assert set(found) == {TYPES[name]}, use
