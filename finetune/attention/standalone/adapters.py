"""Locks the configuration of an adapter under masks, so that peft's own loaders, which ignore masks, refuse it."""

import json
from pathlib import Path
from typing import Any

ADAPTER_CONFIG = "adapter_config.json"
LOCK = " under masks: finetune.load loads it"
"""The suffix of a locked `peft_type`: peft does not know the type, and shows it in its message."""


def lock_adapter(path: Path) -> None:
    """Lock the configuration file of an adapter in place; a locked one is left unchanged."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if not config["peft_type"].endswith(LOCK):
        config["peft_type"] += LOCK
        path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def unlocked(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of an adapter (a parsed adapter_config.json) with the `peft_type` that peft knows."""
    return config | {"peft_type": str(config.get("peft_type")).removesuffix(LOCK)}
