"""The comparison finds finetune's accumulated gradient exact."""

from pathlib import Path

import pytest

from finetune.training import prepare
from scripts.bench_accumulation import CASES, SPLITS, exact, length, of_loop, of_trainer, recipe


def test_accumulated_is_exact(tmp_path: Path) -> None:
    case = CASES[1]
    run = prepare(recipe(case, tmp_path))
    reference = exact(run)
    for batch_size, accumulation in SPLITS.values():
        step = of_loop(run, batch_size, accumulation)
        assert step.loss == pytest.approx(reference.loss, rel=1e-5)
        difference = {name: one.double() - reference.gradient[name] for name, one in step.gradient.items()}
        assert length(difference) < 1e-5 * length(reference.gradient)
    whole = of_trainer(run, *SPLITS["1 x 32"], tmp_path / "trainer")
    assert whole.loss == pytest.approx(reference.loss, rel=1e-4)  # the same model, and the same examples
