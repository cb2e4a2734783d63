"""A batch means the same as one stream and as padded rows: losses, gradients, predictions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from finetune.recipe import Recipe
from finetune.training.run import Run, prepare

Toy = Callable[..., Recipe]
KINDS = [
    ("text_classification", "bert", {}),
    ("text_classification", "t5", {}),
    ("token_classification", "bert", {}),
    ("token_classification", "t5", {}),
    ("text_to_text", "t5", {}),
    ("text_to_text", "bert", {}),
    ("text_classification", "bert", {"attention.encoder": "window(2) | global_tokens(cls)"}),
    ("token_classification", "bert", {"attention.encoder": "same(word) | window(1)"}),
    ("text_to_text", "t5", {"attention.encoder": "per_head(window(1), full())", "attention.cross": "window(6)"}),
]


def computed(run: Run, *, ragged: bool) -> tuple[float, dict[str, torch.Tensor], list[Any]]:
    """Loss, gradients and predictions of the dev split as one batch."""
    context = replace(run.context, ragged=ragged)
    batch = run.task.collate(run.encoded["dev"].features[:], context)
    assert ("layout" in batch.inputs) == ragged
    run.model.zero_grad()
    loss = run.task.loss(run.model, batch, label_smoothing=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: each.grad.clone() for name, each in run.model.named_parameters() if each.grad is not None}
    with torch.inference_mode():
        predictions = run.task.predict(run.model, batch, context, final=True)
    return loss.item(), gradients, predictions


@pytest.mark.parametrize(("task", "architecture", "masks"), KINDS)
def test_streams_and_rows_give_the_same(toy: Toy, task: str, architecture: str, masks: dict[str, str]) -> None:
    run = prepare(toy(task, architecture, train=32, held_out=8, **masks))
    assert run.context.ragged
    run.model.train(False).double()
    loss, gradients, predictions = computed(run, ragged=True)
    expected_loss, expected_gradients, expected_predictions = computed(run, ragged=False)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    largest = max(float(gradient.abs().max()) for gradient in expected_gradients.values())
    for name, gradient in expected_gradients.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-5, atol=1e-6 * largest, msg=name)
    for found, expected in zip(predictions, expected_predictions, strict=True):
        assert (found.feature, found.num_targets) == (expected.feature, expected.num_targets)
        assert found.loss == pytest.approx(expected.loss, rel=1e-5, abs=1e-6)
        is_shares = task == "text_classification"
        assert found.output == (pytest.approx(expected.output, rel=1e-5) if is_shares else expected.output)


def test_a_model_that_reads_rows_is_given_rows(
    toy: Toy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune.attention.pretrained.reads_streams", lambda model: False)
    run = prepare(toy("text_classification", "bert", train=32, held_out=8))
    assert not run.context.ragged
    assert "batches are padded: this model reads rows" in " ".join(capsys.readouterr().err.split())
