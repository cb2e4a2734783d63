"""Random masks, and random batches of texts to evaluate them in."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask, parse

HEADS = (2, 4, 8, 12)
"""Numbers of heads; each is divisible by the number of masks in every per_head below."""
ATOMS: dict[str, Callable[[random.Random], str]] = {
    "full": lambda _: "full()",
    "none": lambda _: "none()",
    "causal": lambda _: "causal()",
    "window": lambda draw: f"window({draw.randrange(40)}, {draw.randrange(40)})",
    "dilated": lambda draw: f"dilated({draw.randrange(60)}, {draw.randint(1, 5)})",
    "strided": lambda draw: f"strided({draw.randint(2, 6)})",
    "blocks": lambda draw: f"blocks({draw.randint(1, 70)})",
    "prefix": lambda draw: draw.choice(["prefix(3)", "prefix(n)"]),
    "global_tokens": lambda draw: draw.choice(["global_tokens(0)", "global_tokens(cls)", "global_tokens(-1, 4)"]),
    "queries": lambda draw: draw.choice(["queries(0)", "queries(cls, -2)"]),
    "keys": lambda draw: draw.choice(["keys(0)", "keys(cls)", "keys(-1)"]),
    "random_keys": lambda draw: f"random_keys({draw.randrange(6)}, {draw.randrange(9)})",
    "same": lambda _: "same(word)",
    "near": lambda draw: f"near(word, {draw.randrange(4)})",
    "before": lambda _: "before(word)",
}
"""A text of each mask of the language with random arguments."""
TERMS = ("alibi()", "alibi(0.5)", "bias(word, 0.75)", "bias(is_cls, -1.5)")
"""Score terms; those of alibi are defined in self-attention alone."""


FIRST = (
    "full()",
    "window(8) | global_tokens(0)",
    "causal() + alibi()",
    "per_head(causal(), blocks(16) | global_tokens(cls))",
    "(same(word) & prefix(n)) + bias(word, 0.75)",
    "none()",
)
"""Masks of the first cases, which are not random."""


@dataclass(frozen=True)
class Texts:
    """One side of a batch: the lengths of its examples, and what masks read of them.

    Args:
        lengths: Number of tokens of each example.
        word: int64 [tokens], the token column `word`.
        is_cls: int64 [tokens], the token column `is_cls`.
        n: int64 [examples], the value `n`.
    """

    lengths: tuple[int, ...]
    word: Tensor
    is_cls: Tensor
    n: Tensor

    @classmethod
    def drawn(cls, draw: random.Random, lengths: tuple[int, ...]) -> "Texts":
        """Return texts of the given lengths with random columns and values."""
        total = sum(lengths)
        return cls(
            lengths,
            torch.tensor([draw.randrange(6) for _ in range(total)], dtype=torch.int64),
            torch.tensor([int(draw.random() < 0.05) for _ in range(total)], dtype=torch.int64),
            torch.tensor([draw.randrange(8) for _ in lengths], dtype=torch.int64),
        )

    def stream(self, device: str) -> Ragged:
        """Return the layout of the texts as a ragged stream on a device."""
        layout = Ragged.from_lengths(list(self.lengths), {"word": self.word, "is_cls": self.is_cls}, {"n": self.n})
        return layout.to(torch.device(device))

    def features(self) -> list[dict[str, Tensor]]:
        """Return the columns and values of each example, as `Mask.dense` takes them."""
        words, marks = (torch.split(column, list(self.lengths)) for column in (self.word, self.is_cls))
        return [
            {"word": word, "is_cls": mark, "n": n} for word, mark, n in zip(words, marks, self.n.unbind(), strict=True)
        ]


@dataclass(frozen=True)
class Case:
    """A mask and a batch.

    Args:
        number: The seed that it was drawn with.
        text: Text of the mask.
        queries: The texts of the queries.
        keys: The texts of the keys; the same object in self-attention.
        num_heads: Number of heads.
        head_dim: Size of one head.
        has_bias: Whether a relative bias is added; in self-attention alone.
    """

    number: int
    text: str
    queries: Texts
    keys: Texts
    num_heads: int
    head_dim: int
    has_bias: bool

    @property
    def mask(self) -> Mask:
        """The mask."""
        return parse(self.text)

    @property
    def is_cross(self) -> bool:
        """Whether queries and keys are different texts."""
        return self.keys is not self.queries

    def __str__(self) -> str:
        shape = f"{self.num_heads} heads of {self.head_dim}, {sum(self.queries.lengths)} tokens"
        kinds = ", cross-attention" * self.is_cross + ", relative bias" * self.has_bias
        return f"case {self.number}, {self.text} ({shape}{kinds})"


def random_text(draw: random.Random, depth: int = 2) -> str:
    """Return the text of a random mask.

    Args:
        draw: Random numbers.
        depth: The largest depth of its operators.
    """
    kind = draw.randrange(7) if depth else 0
    if kind <= 2:
        return ATOMS[draw.choice(list(ATOMS))](draw)
    first, second = (random_text(draw, depth - 1) for _ in range(2))
    if kind == 3:
        return f"~({first})"
    if kind == 4:
        return f"per_head({first}, {second})"
    return f"({first}) {'|' if kind == 5 else '&'} ({second})"


def cases(count: int, longest: int) -> Iterator[Case]:
    """Yield cases: first those of the masks in `FIRST`, then random ones.

    Args:
        count: Number of cases.
        longest: The largest number of tokens of an example.
    """
    for number in range(count):
        case = random_case(number, longest=longest)
        if number < len(FIRST):
            case = replace(case, text=FIRST[number], keys=case.queries)
        yield case


def random_case(number: int, *, longest: int, head_dims: tuple[int, ...] = (16, 64)) -> Case:
    """Return the case of a seed: every third has score terms, every fourth is cross-attention, every second is biased.

    Args:
        number: The seed.
        longest: The largest number of tokens of an example.
        head_dims: The sizes of a head to draw from.
    """
    draw = random.Random(number)
    text, is_cross, num_heads = random_text(draw), number % 4 == 3, draw.choice(HEADS)
    if number % 3 == 2:
        text = f"({text}) + {draw.choice(TERMS[2:] if is_cross else TERMS)}"
    count = draw.randint(1, 6)
    queries = Texts.drawn(draw, random_lengths(draw, count, longest))
    keys = queries
    if is_cross:
        drawn = Texts.drawn(draw, random_lengths(draw, count, longest))
        keys = Texts(drawn.lengths, drawn.word, drawn.is_cls, queries.n)  # a value is one number of an example
    return Case(number, text, queries, keys, num_heads, draw.choice(head_dims), number % 2 == 0 and not is_cross)


def random_lengths(draw: random.Random, count: int, longest: int) -> tuple[int, ...]:
    """Return numbers of tokens, short ones more often than long ones.

    Args:
        draw: Random numbers.
        count: Number of texts.
        longest: The largest number of tokens.
    """
    return tuple(1 + int(draw.random() ** 2 * longest) for _ in range(count))
