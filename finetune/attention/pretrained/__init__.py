"""Masks in pretrained models: the only place that knows transformers' internals."""

from finetune.attention.pretrained.errors import PretrainedError

__all__ = ["PretrainedError"]
