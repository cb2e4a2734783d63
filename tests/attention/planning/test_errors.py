import pytest

from finetune.attention.layout import LayoutError, Ragged
from finetune.attention.masks import full
from finetune.attention.planning import PlanError, explain, plan

STREAM = Ragged.from_lengths([3])


@pytest.mark.parametrize(
    ("kernel", "problem"),
    [
        ("blcks", r"no kernel 'blcks'; there are whole, blocks, flex; did you mean 'blocks'\?"),
        ("flex", "the kernel 'flex' runs on CUDA alone, not on cpu"),
    ],
)
def test_a_kernel_that_cannot_be_used_is_a_value_error_with_a_reason(kernel: str, problem: str) -> None:
    assert issubclass(PlanError, ValueError)
    for function in (plan, explain):
        with pytest.raises(PlanError, match=problem):
            function(full(), STREAM, STREAM, 1, kernel=kernel)


def test_streams_of_different_numbers_of_examples_are_refused() -> None:
    with pytest.raises(LayoutError, match="there are 1 examples of queries and 2 of keys"):
        plan(full(), STREAM, Ragged.from_lengths([2, 1]), 1)
