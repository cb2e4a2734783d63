"""What is trained, at which rate, and what is averaged."""

from collections.abc import Callable

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, T5Config, T5ForConditionalGeneration

from finetune import compose
from finetune.errors import UserError
from finetune.recipe import Recipe, Training
from finetune.training.averaging import build_averaging
from finetune.training.optimizer import build_optimizer, build_schedule, parameter_groups

STEPS = 100


def bert(layers: int = 3) -> nn.Module:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=16, vocab_size=20, num_hidden_layers=layers
    )
    return BertForSequenceClassification(config)


def t5() -> nn.Module:
    torch.manual_seed(0)
    return T5ForConditionalGeneration(
        T5Config(d_model=16, num_heads=2, d_kv=8, d_ff=16, vocab_size=20, num_layers=2, num_decoder_layers=4)
    )


def rates(training: Training) -> list[float]:
    """The rate of each step."""
    weight = nn.Parameter(torch.zeros(2, 2))
    holder = nn.ParameterList([weight])
    optimizer = build_optimizer(holder, training, STEPS)
    schedule = build_schedule(optimizer, training, STEPS)
    found = []
    for _ in range(STEPS):
        found.append(float(schedule.get_last_lr()[0]))
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        schedule.step()
    return [*found, float(schedule.get_last_lr()[0])]


def test_biases_and_norms_are_not_decayed() -> None:
    model = bert()
    decayed = {
        id(weight)
        for group in parameter_groups(model, Training())
        if group["weight_decay"]
        for weight in group["params"]
    }
    for name, weight in model.named_parameters():
        assert (id(weight) in decayed) == (not name.endswith("bias") and "LayerNorm" not in name), name


def test_a_weight_without_gradient_shrinks_by_the_decay_alone() -> None:
    weight, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    training = Training(learning_rate=0.5, weight_decay=0.1)
    optimizer = build_optimizer(nn.ParameterList([weight, bias]), training, STEPS)
    weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((2, 2), 1 - 0.5 * 0.1))
    assert torch.equal(bias.detach(), torch.ones(2))


@pytest.mark.parametrize("make", [bert, t5])
def test_rates_fall_by_layer_from_the_head_to_the_embeddings(make: Callable[[], nn.Module]) -> None:
    model = make()
    training = Training(learning_rate=1.0, layer_decay=0.5)
    groups = parameter_groups(model, training)
    rate = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    found = {name: rate[id(weight)] for name, weight in model.named_parameters()}
    assert len(found) == sum(len(group["params"]) for group in groups)
    if make is bert:
        expected = {"classifier.weight": 1.0, "bert.pooler.dense.weight": 1.0}
        expected |= {f"bert.encoder.layer.{n}.output.dense.weight": 0.5 ** (3 - n) for n in range(3)}
        expected |= {"bert.embeddings.word_embeddings.weight": 0.5**4, "bert.embeddings.LayerNorm.bias": 0.5**4}
    else:
        expected = {"lm_head.weight": 1.0, "encoder.final_layer_norm.weight": 1.0}
        expected |= {f"encoder.block.{n}.layer.0.SelfAttention.q.weight": 0.5 ** (2 - n) for n in range(2)}
        expected |= {f"decoder.block.{n}.layer.1.EncDecAttention.q.weight": 0.5 ** (4 - n) for n in range(4)}
        expected |= {"shared.weight": 0.5**5}
        expected = {name: value for name, value in expected.items() if name in found}  # the head may be tied
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("schedule", ["linear", "cosine", "polynomial", "wsd"])
def test_schedules_rise_to_the_rate_and_end_at_nothing(schedule: str) -> None:
    found = rates(Training.model_validate({"learning_rate": 1.0, "warmup": 10, "schedule": schedule}))
    assert found[0] == 0
    assert max(found) == found[10] == pytest.approx(1.0)
    assert found[-1] == pytest.approx(0.0, abs=1e-9)
    assert found[10:] == sorted(found[10:], reverse=True)


def test_the_other_schedules() -> None:
    assert set(rates(Training(learning_rate=1.0, warmup=0, schedule="constant"))) == {1.0}
    stable = rates(Training(learning_rate=1.0, warmup=10, cooldown=0.3, schedule="wsd"))
    assert set(stable[10:70]) == {1.0}
    assert stable[71] < 1.0
    falling = rates(Training(learning_rate=1.0, warmup=16, schedule="inverse_sqrt"))
    assert falling[64] == pytest.approx(0.5)
    square = rates(Training(learning_rate=1.0, warmup=0, schedule="polynomial", power=2))
    assert square[50] == pytest.approx(0.25)


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "sgd", "schedule_free"])
def test_optimizers_lower_a_loss(optimizer: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    inputs = torch.randn(64, 4)
    targets = inputs @ torch.tensor([[1.0], [2.0], [-1.0], [0.5]])
    training = Training.model_validate(
        {"optimizer": optimizer, "schedule": "constant", "learning_rate": 0.1, "weight_decay": 0, "warmup": 5}
    )
    built = build_optimizer(model, training, STEPS)
    schedule = build_schedule(built, training, STEPS)
    averaging = build_averaging(model, built, training, Accelerator(cpu=True))
    losses = []
    for _ in range(STEPS):
        loss = nn.functional.mse_loss(model(inputs), targets)
        torch.autograd.backward(loss)
        built.step()
        schedule.step()
        built.zero_grad()
        with averaging.applied(), torch.no_grad():
            losses.append(float(nn.functional.mse_loss(model(inputs), targets)))
    assert losses[-1] < losses[0] / 10


def test_schedule_free_takes_no_schedule_and_no_average() -> None:
    with pytest.raises(ValueError, match="schedule=constant, found linear"):
        Training(optimizer="schedule_free")
    with pytest.raises(ValueError, match="set ema=0"):
        Training(optimizer="schedule_free", schedule="constant", ema=0.9)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "schedulefree", None)
    with pytest.raises(UserError, match=r"finetune-masks\[schedule-free\]"):
        build_optimizer(nn.Linear(2, 2), Training(optimizer="schedule_free", schedule="constant"), STEPS)


def test_keys_of_methods_are_told_apart(toy: Callable[..., Recipe]) -> None:
    recipe = toy("text_classification", "bert", train=8, held_out=4)
    with pytest.raises(UserError, match=r"training\.layer_decay is wrong"):
        compose.override(recipe, {"training.layer_decay": 1.5})
