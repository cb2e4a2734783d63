"""The error of layers."""


class LayerError(ValueError):
    """The sizes of a layer do not fit together, or tensors do not fit the layer."""
