"""What can be wrong between masks and a pretrained model."""


class PretrainedError(ValueError):
    """A pretrained model cannot take a program of masks, or handed over something that the masks do not know."""
