"""Masks of small examples as text, to write what is expected as it looks."""

from typing import Any

from finetune.attention.masks import Mask


def grid(mask: Mask, query_length: int, key_length: int | None = None, **features: Any) -> str:
    """Return a line for each query, with "#" at keys that it may attend to and "." at others."""
    dense = mask.dense(query_length, key_length, features=features)[0]
    return " ".join("".join(".#"[pair] for pair in row) for row in dense.tolist())
