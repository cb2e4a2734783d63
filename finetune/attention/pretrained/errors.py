"""The error of masks in pretrained models."""


class PretrainedError(ValueError):
    """A pretrained model cannot take a program of masks, or was called in a way that masks do not support."""
