"""What torch.compile compiles of a model, and that the run stays what it was."""

import functools
import json
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch._dynamo.exc import Unsupported

from finetune import compose
from finetune.attention.pretrained.interface import ASSIGNMENT
from finetune.errors import UserError
from finetune.hardware.compiling import compile_model, compiling, token_wise
from finetune.hardware.dropout import fast_dropout
from finetune.recipe import Recipe
from finetune.training.loop import Loop, fit
from finetune.training.run import Run, prepare
from tests.checkpointing.runs import elsewhere, small

Toy = Callable[..., Recipe]


def losses(run: Run) -> list[float]:
    fit(run)
    lines = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    return [value for line in lines for name, value in line.items() if name in ("train_loss", "dev_loss")]


@pytest.mark.parametrize(("kind", "architecture"), [("token_classification", "bert"), ("text_to_text", "t5")])
def test_streams_have_the_same_losses_compiled(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, kind: str, architecture: str
) -> None:
    """Traced and differentiated as for code, and computed without making code of it, which takes a compiler's time."""
    monkeypatch.setattr(nn.Module, "compile", functools.partialmethod(nn.Module.compile, backend="aot_eager"))
    torch._dynamo.reset()
    keys = {"training.epochs": 1, "training.log_every": 1, "model.scratch.dropout": 0.0}
    recipe = toy(kind, architecture, train=40, held_out=8, **keys)
    run = prepare(compose.override(elsewhere(recipe, "compiled"), {"training.compile": True}))
    assert run.context.ragged
    names = list(run.model.state_dict())
    assert losses(run) == pytest.approx(losses(prepare(recipe)), rel=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert list(run.model.state_dict()) == names
    torch._dynamo.reset()


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_all_weights_of_feed_forward_layers_are_compiled_and_none_of_attention(toy: Toy, architecture: str) -> None:
    model = prepare(toy("text_to_text", architecture, train=8, held_out=4)).model
    parts = token_wise(model)
    names = {id(module): name for name, module in model.named_modules()}
    assert len(parts) == len({id(part) for part in parts})
    assert not any(hasattr(inner, ASSIGNMENT) for part in parts for inner in part.modules())
    ends = (".intermediate", ".output") if architecture == "bert" else (".layer.1", ".layer.2")
    assert all(names[id(part)].endswith(ends) for part in parts)
    feed_forward = ("intermediate.dense", "DenseReluDense")
    weights = {id(weight) for part in parts for weight in part.parameters()}
    found = [
        id(weight) in weights for name, weight in model.named_parameters() if any(one in name for one in feed_forward)
    ]
    assert found
    assert all(found)


def test_what_is_compiled_leaves_dropout_to_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws in the kernels that it writes; ours would break the graph."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    monkeypatch.setattr("finetune.hardware.dropout.dropout", lambda *_: pytest.fail("drawn by ours"))
    with fast_dropout(model):
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        assert (compiled(torch.ones(64, 4)) == 0).any()
    torch._dynamo.reset()


def test_a_model_without_such_parts_is_told() -> None:
    with pytest.raises(UserError, match="no part of this model") as caught:
        compile_model(nn.Linear(2, 2), ragged=True)
    assert "training.layout=padded" in str(caught.value.fix)


def test_compiling_is_a_key(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.compile makes of it takes minutes; that it is asked to, and leaves the weights' names, does not."""
    run = prepare(small(toy, **{"training.compile": True, "training.layout": "padded"}))
    names, asked = list(run.model.state_dict()), []
    original = type(run.model).compile
    monkeypatch.setattr(type(run.model), "compile", lambda *arguments, **options: asked.append(options))
    Loop(run)
    assert asked == [{"dynamic": True}]
    original(run.model, dynamic=True)
    assert list(run.model.state_dict()) == names


def test_what_cannot_be_compiled_is_told() -> None:
    with pytest.raises(UserError, match="cannot compile") as caught, compiling(True):
        raise Unsupported("a call that is not known\nand a long trace")
    assert (caught.value.found, caught.value.fix) == ("a call that is not known", "training.compile=false")
    with pytest.raises(ZeroDivisionError), compiling(True):
        raise ZeroDivisionError
