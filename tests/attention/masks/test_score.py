"""Registered score functions: how they are found, and what they may return."""

from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch
from torch import Tensor

from finetune.attention.layout import dense_scores
from finetune.attention.masks import MaskArgumentError, MaskError, Needs, full, parse, register_score, score
from finetune.attention.masks.scope import Scope


@register_score("nearer_is_better", length=False, by_head=False)
def nearer_is_better(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return 1 / (1 + (q - k).abs())


@register_score("of_integers")
def of_integers(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return q - k


@register_score("learned")
def learned(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return (q - k) * torch.ones((), requires_grad=True)


@register_score("unbounded")
def unbounded(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return 1 / (q - k)


@register_score("no_tensor")  # type: ignore[type-var]
def no_tensor(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> float:
    return 1.0


def packaged_score(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return k.double()


def test_a_score_function_of_an_entry_point_is_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = EntryPoints([EntryPoint("late", f"{__name__}:packaged_score", "finetune.scores")])
    monkeypatch.setattr(metadata, "entry_points", offered.select)
    assert dense_scores(score("late"), 3)[0].tolist() == [[0, 1, 2]] * 3
    with pytest.raises(MaskArgumentError, match=r"no score function is registered as 'lat'.*did you mean 'late'"):
        score("lat")


def test_by_name_and_by_function_is_one_term() -> None:
    assert score(nearer_is_better) == score("nearer_is_better") == parse("full() + score(nearer_is_better)")
    assert score(nearer_is_better).needs == Needs()
    assert dense_scores(full() + score(nearer_is_better), 2, num_heads=2).tolist() == [[[1, 0.5], [0.5, 1]]] * 2


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("of_integers", "the score function 'of_integers' must return a tensor of floats, got torch.int64"),
        ("no_tensor", "must return a tensor of floats, got float"),
        ("learned", "'learned' returns a tensor with a gradient, which would be lost"),
        ("unbounded", r"score\(unbounded\) must add finite numbers, got inf; exclude pairs by a mask"),
    ],
)
def test_what_it_returns_is_checked(name: str, problem: str) -> None:
    with pytest.raises(MaskError, match=problem):
        dense_scores(score(name), 3)


def test_a_name_is_given_once() -> None:
    with pytest.raises(MaskError, match="there is a score function named 'learned' already"):
        register_score("learned")(nearer_is_better)
    with pytest.raises(MaskArgumentError, match="score: score function must be a name or a function, got 3"):
        score(3)  # type: ignore[arg-type]
