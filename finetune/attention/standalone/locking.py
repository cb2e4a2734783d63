"""A configuration that nobody reads by mistake; this file is part of the code that is written beside a model."""

LOCK = "masks_that_need_trust_remote_code"
"""In the place of a number: a stock class told to read the configuration refuses it by this name."""
LOCKED = "locked"
"""The key of what a lock took the place of."""


LAYERS = ("num_hidden_layers", "num_layers", "n_layers")
"""What configurations call the number of layers."""


def lock(config: dict) -> dict:  # type: ignore[type-arg]
    """A configuration (a parsed config.json) with a text where stock classes want a number."""
    if "encoder" in config:  # of two models in one
        unreadable = {key: value for key, value in lock(config["encoder"]).items() if key != LOCKED}
        return {**config, "encoder": unreadable, LOCKED: {"encoder": config["encoder"]}}
    name = next(name for name in LAYERS if name in config)
    return {**config, name: LOCK, LOCKED: {name: config[name]}}


def unlock(config: dict) -> dict:  # type: ignore[type-arg]
    """The configuration that was locked; one that was not as it is."""
    return {**{key: value for key, value in config.items() if key != LOCKED}, **config.get(LOCKED, {})}
