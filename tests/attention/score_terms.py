"""Random masks with score terms, and the definition of each term in plain Python."""

import ast
from collections.abc import Callable

import torch
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.masks import register_score
from finetune.attention.masks.scope import Scope
from tests.attention.expressions import NUM_HEADS, Example, call, masks


@register_score("uneven", columns=["word"], values=["source_length"])
def uneven(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """A score function that reads all of its arguments."""
    words = scope.query_feature("word", q) - scope.key_feature("word", k)
    read = words + scope.example_value("source_length") + scope.key_length
    return torch.sin((3 * q - k + 2 * head + read).double())


@register_score("late_keys", length=False, by_head=False)
def late_keys(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """A score function whose result has one number for each key alone."""
    return k / 8


PAPER = {1: [2**-8], 2: [2**-4, 2**-8], 3: [2**-4, 2**-8, 2**-2], 4: [2**-2, 2**-4, 2**-6, 2**-8]}
"""Slopes of ALiBi by the number of heads, as the paper gives them for powers of two."""

values = st.sampled_from([0.5, -1.25, 2, 1e-3, 0])
terms_of_self_attention = st.one_of(st.just("alibi()"), call("alibi", st.sampled_from([0.25, 3])))
terms_everywhere = st.one_of(
    call("bias", st.sampled_from(["word", "is_cls"]), values), st.just("score(uneven)"), st.just("score(late_keys)")
)
all_terms = st.one_of(terms_of_self_attention, terms_everywhere)


def scored_texts(*, in_cross: bool) -> st.SearchStrategy[str]:
    """Return texts of a mask with one to three terms, which are defined at the site."""
    terms = st.lists(terms_everywhere if in_cross else all_terms, min_size=1, max_size=3)
    return st.tuples(masks, terms).map(lambda drawn: " + ".join([f"({drawn[0]})", *drawn[1]]))


def scores_by_loops(text: str, example: Example) -> Tensor:
    """Return the sum of the terms of a text, float64 [heads, queries, keys], evaluated pair by pair."""
    terms = terms_of(ast.parse(text, mode="eval").body)
    numbers = [
        [
            [sum(number(term, example, head, q, k) for term in terms) for k in range(example.keys)]
            for q in range(example.query_length)
        ]
        for head in range(NUM_HEADS)
    ]
    return torch.tensor(numbers, dtype=torch.float64).reshape(NUM_HEADS, example.query_length, example.keys)


def terms_of(node: ast.expr) -> list[ast.Call]:
    """Return the calls that are added up; a mask is the first of them."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*terms_of(node.left), *terms_of(node.right)]
    return [node] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TABLE else []


def number(term: ast.Call, example: Example, head: int, q: int, k: int) -> float:
    assert isinstance(term.func, ast.Name)
    arguments = [each.id if isinstance(each, ast.Name) else ast.literal_eval(each) for each in term.args]
    return TABLE[term.func.id](example, head, q, k, *arguments)


def of_function(example: Example, head: int, q: int, k: int, name: str) -> float:
    if name == "late_keys":
        return k / 8
    words = example.features["word"][q] - example.key_columns["word"][k]
    read = words + example.features["source_length"] + example.keys
    return float(torch.sin(torch.tensor(3 * q - k + 2 * head + read, dtype=torch.float64)))


TABLE: dict[str, Callable[..., float]] = {
    "alibi": lambda example, head, q, k, scale=1: -scale * PAPER[NUM_HEADS][head] * abs(q - k),
    "bias": lambda example, head, q, k, column, value: (
        value if example.features[column][q] == example.key_columns[column][k] else 0
    ),
    "score": of_function,
}
