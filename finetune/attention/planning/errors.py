"""What can be wrong with a plan."""


class PlanError(ValueError):
    """A kernel was asked for that does not exist, or that cannot compute this mask here."""
