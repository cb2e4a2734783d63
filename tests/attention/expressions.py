"""Random masks as text, random examples, and the definition of each mask in plain Python."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.masks import parse, register_predicate
from finetune.attention.masks.scope import Scope

NUM_HEADS = 4
"""A number of heads that is divisible by the number of masks in every per_head below."""
LONGEST = 12


@register_predicate("every_third")
def every_third(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """A custom mask that reads all of its arguments."""
    return (q + k + head + scope.key_length) % 3 == 0


@dataclass(frozen=True)
class Example:
    """The lengths and columns of an example; `key_length` is None in self-attention."""

    query_length: int
    key_length: int | None
    features: dict[str, Any]
    key_features: dict[str, Any] | None

    @property
    def keys(self) -> int:
        return self.query_length if self.key_length is None else self.key_length

    @property
    def key_columns(self) -> dict[str, Any]:
        return self.features if self.key_features is None else self.key_features

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `Mask.dense`, `count` and `key_ranges`."""
        return {**vars(self), "num_heads": NUM_HEADS}


def columns(draw: st.DrawFn, length: int) -> dict[str, list[int]]:
    return {
        "word": draw(st.lists(st.integers(0, 3), min_size=length, max_size=length)),
        "is_cls": draw(st.lists(st.integers(0, 1), min_size=length, max_size=length)),
    }


@st.composite
def examples(draw: st.DrawFn) -> Example:
    query_length = draw(st.integers(0, LONGEST))
    features: dict[str, Any] = {**columns(draw, query_length), "source_length": draw(st.integers(0, LONGEST))}
    if draw(st.booleans()):
        return Example(query_length, None, features, None)
    key_length = draw(st.integers(0, LONGEST))
    return Example(query_length, key_length, features, columns(draw, key_length))


def call(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return st.tuples(*arguments).map(lambda values: f"{name}({', '.join(map(str, values))})")


sizes = st.integers(0, 5)
steps = st.integers(1, 4)
tokens = st.one_of(st.integers(-LONGEST, LONGEST), st.just("cls"))


def named(name: str) -> st.SearchStrategy[str]:
    """Return texts of a mask whose arguments are tokens."""
    return st.lists(tokens, min_size=1, max_size=3).map(lambda each: f"{name}({', '.join(map(str, each))})")


atoms = st.one_of(
    call("full"),
    call("none"),
    call("causal"),
    call("window", sizes),
    call("window", sizes, sizes),
    call("dilated", st.integers(0, 8), steps),
    call("strided", steps),
    call("blocks", steps),
    call("prefix", sizes),
    call("prefix", st.just("source_length")),
    named("global_tokens"),
    named("queries"),
    named("keys"),
    call("random_keys", sizes, st.integers(0, 3)),
    call("random_keys", sizes, st.integers(0, 3), st.just("by_head=true")),
    call("same", st.just("word")),
    call("near", st.just("word"), st.integers(0, 3)),
    call("before", st.just("word")),
    call("custom", st.just("every_third")),
)


def compounds(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map(lambda text: f"~({text})"),
        inner.map(lambda text: f"~{text}"),
        st.tuples(inner, inner).map(" & ".join),
        st.tuples(inner, inner).map(" | ".join),
        inner.map(lambda text: f"({text})"),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: f"per_head({', '.join(each)})"),
    )


texts: st.SearchStrategy[str] = st.recursive(atoms, compounds, max_leaves=8)
"""Texts of the whole language, not simplified."""

masks = st.one_of(atoms, texts).map(parse)


def by_loops(text: str, example: Example) -> Tensor:
    """Return the mask that a text describes, bool [heads, queries, keys], evaluated pair by pair.

    Python reads the text: its own ~, & and | bind like those of the language.
    """
    tree = ast.parse(text, mode="eval").body
    allowed = [
        [[allows(tree, example, head, q, k) for k in range(example.keys)] for q in range(example.query_length)]
        for head in range(NUM_HEADS)
    ]
    return torch.tensor(allowed, dtype=torch.bool).reshape(NUM_HEADS, example.query_length, example.keys)


def allows(node: ast.expr, example: Example, head: int, q: int, k: int) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return allows(left, example, head, q, k) and allows(right, example, head, q, k)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return allows(left, example, head, q, k) or allows(right, example, head, q, k)
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return not allows(operand, example, head, q, k)
        case ast.Call(func=ast.Name(id="per_head"), args=masks):
            return allows(masks[head * len(masks) // NUM_HEADS], example, head, q, k)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            values = [each.id if isinstance(each, ast.Name) else ast.literal_eval(each) for each in arguments]
            return TABLE[name](example, head, q, k, *values, **{str(each.arg): True for each in keywords})
    raise AssertionError(ast.dump(node))


def is_query(example: Example, q: int, token: int | str) -> bool:
    if isinstance(token, str):
        return bool(example.features[f"is_{token}"][q])
    return token in (q, q - example.query_length)


def is_key(example: Example, k: int, token: int | str) -> bool:
    if isinstance(token, str):
        return bool(example.key_columns[f"is_{token}"][k])
    return token in (k, k - example.keys)


def is_drawn(example: Example, head: int, q: int, k: int, number: int, seed: int, by_head: bool = False) -> bool:
    """Return whether a key is drawn; the draw has tests of its own, and here it is that of the mask alone."""
    mask = parse(f"random_keys({number}, {seed}, by_head={str(by_head).lower()})")
    return bool(mask.dense(q + 1, example.keys, num_heads=NUM_HEADS)[head, q, k])


TABLE: dict[str, Callable[..., bool]] = {
    "full": lambda example, head, q, k: True,
    "none": lambda example, head, q, k: False,
    "causal": lambda example, head, q, k: k <= q,
    "window": lambda example, head, q, k, left, right=None: q - left <= k <= q + (left if right is None else right),
    "dilated": lambda example, head, q, k, r, step: abs(q - k) <= r and (q - k) % step == 0,
    "strided": lambda example, head, q, k, step: (q - k) % step == 0,
    "blocks": lambda example, head, q, k, size: q // size == k // size,
    "prefix": lambda example, head, q, k, n: k < (example.features[n] if isinstance(n, str) else n),
    "global_tokens": lambda example, head, q, k, *tokens: any(
        is_query(example, q, token) or is_key(example, k, token) for token in tokens
    ),
    "queries": lambda example, head, q, k, *tokens: any(is_query(example, q, token) for token in tokens),
    "keys": lambda example, head, q, k, *tokens: any(is_key(example, k, token) for token in tokens),
    "random_keys": is_drawn,
    "same": lambda example, head, q, k, column: example.features[column][q] == example.key_columns[column][k],
    "near": lambda example, head, q, k, column, n: (
        abs(example.features[column][q] - example.key_columns[column][k]) <= n
    ),
    "before": lambda example, head, q, k, column: example.key_columns[column][k] < example.features[column][q],
    "custom": lambda example, head, q, k, name: (q + k + head + example.keys) % 3 == 0,
}
