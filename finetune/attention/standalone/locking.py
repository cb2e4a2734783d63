"""Locks configurations so that stock classes cannot load them; this file is part of the code beside a saved model."""

LOCK = "masks_that_need_trust_remote_code"
"""The text in place of a number, which a stock class shows in its error when it reads the configuration."""
LOCKED = "locked"
"""The key of the entries that the lock replaced."""


LAYERS = ("num_hidden_layers", "num_layers", "n_layers")
"""The names of the number of layers in configurations."""


def lock(config: dict) -> dict:  # type: ignore[type-arg]
    """Return a configuration (a parsed config.json) with a text as its number of layers."""
    if "encoder" in config:  # an encoder-decoder of two models, whose own configuration has no number of layers
        unreadable = {key: value for key, value in lock(config["encoder"]).items() if key != LOCKED}
        return {**config, "encoder": unreadable, LOCKED: {"encoder": config["encoder"]}}
    name = next(name for name in LAYERS if name in config)
    return {**config, name: LOCK, LOCKED: {name: config[name]}}


def unlock(config: dict) -> dict:  # type: ignore[type-arg]
    """Return a configuration as it was before it was locked; one that is not locked is returned unchanged."""
    return {**{key: value for key, value in config.items() if key != LOCKED}, **config.get(LOCKED, {})}
