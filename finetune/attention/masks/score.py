"""`score(name)`: a function that the user wrote computes a number for each pair, which is added to its score.

A score function has the signature of `Mask.allowed`, (scope, head, q, k) -> float tensor, and uses elementwise
operations only. It is registered by `register_score`, or by an entry point of the group `finetune.scores` whose object
is the function (decorated by `register_score` where it reads columns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.errors import MaskError
from finetune.attention.masks.functions import FunctionRegistry, RegisteredFunction
from finetune.attention.masks.registry import register_mask
from finetune.attention.masks.scored import ScoreTerm, scored

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope

ScoreFunction = Callable[["Scope", "Tensor", "Tensor", "Tensor"], "Tensor"]
ScoreFunctionT = TypeVar("ScoreFunctionT", bound=ScoreFunction)

_score_functions = FunctionRegistry("score", "score function", "register_score", "finetune.scores")


@dataclass(frozen=True, repr=False)
class FunctionScore(ScoreTerm):
    """Term that adds what a registered score function returns.

    Args:
        function: Name under which the score function is registered.
    """

    name = "score"
    function: str

    @property
    def needs(self) -> Needs:
        """The needs that were given when the score function was registered."""
        return find_score(self.function).needs

    def pair_scores(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """Return what the score function returns, as `ScoreTerm.pair_scores` describes it.

        Raises:
            MaskError: It returns something else than a tensor of floats, or one with a gradient.
        """
        import torch

        scores = find_score(self.function).function(scope, head, q, k)
        if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
            found = scores.dtype if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise MaskError(f"the score function {self.function!r} must return a tensor of floats, got {found}")
        if scores.requires_grad:
            raise MaskError(
                f"the score function {self.function!r} returns a tensor with a gradient, which would be lost, because "
                "scores are constants; leave learned parameters out of it, or detach them"
            )
        return scores


def register_score(
    name: str,
    *,
    columns: Iterable[str] = (),
    values: Iterable[str] = (),
    length: bool = True,
    by_head: bool = True,
) -> Callable[[ScoreFunctionT], ScoreFunctionT]:
    """Return a decorator that registers a score function, so that masks can use it as `mask + score(name)`.

    Args:
        name: Name of the score function in masks.
        columns: Names of the token columns that it reads.
        values: Names of the values of an example that it reads.
        length: Whether its result for a pair can change when the example grows; if so, it is refused where text is
            generated.
        by_head: Whether its result can differ between heads; if not, it is evaluated once for all heads.

    Raises:
        MaskError: Another score function has that name.
    """
    return _score_functions.register(name, columns, values, length, by_head)


@register_mask
def score(function: str | ScoreFunction) -> Mask:
    """Add the numbers that a registered function computes to the scores.

    Args:
        function: Name of a registered score function; or a function, which is registered under its own name if it is
            not registered yet.

    Raises:
        MaskArgumentError: No score function has that name, the function has none, or the argument is neither.
        MaskError: The package that has it cannot be imported, or several packages have one of that name.
    """
    return scored(FunctionScore(_score_functions.name_of(function)))


def find_score(name: str) -> RegisteredFunction:
    """Return a score function that was registered, or that an entry point offers.

    Raises:
        MaskError: There is none of that name, its package cannot be imported, or several packages have one.
    """
    return _score_functions.find(name)
