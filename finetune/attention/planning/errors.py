"""The error of planning."""


class PlanError(ValueError):
    """The kernel that was chosen by name does not exist, or does not run on the device."""
