"""What can be wrong with a layer's widths or inputs."""


class LayerError(ValueError):
    """A layer cannot be built, or was given tensors that it cannot take."""
