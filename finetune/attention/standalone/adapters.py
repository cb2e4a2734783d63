"""The configuration of an adapter under masks, which peft's own loaders refuse: they would leave the masks out."""

import json
from pathlib import Path
from typing import Any

ADAPTER_CONFIG = "adapter_config.json"
LOCK = " under masks: finetune.load loads it"
"""After the kind of adapter: peft refuses the kind by this name."""


def lock_adapter(path: Path) -> None:
    """Lock an adapter's configuration in place; one that is locked stays as it is."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if not config["peft_type"].endswith(LOCK):
        config["peft_type"] += LOCK
        path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def unlocked(config: dict[str, Any]) -> dict[str, Any]:
    """An adapter's configuration (a parsed adapter_config.json) as peft knows it."""
    return config | {"peft_type": str(config.get("peft_type")).removesuffix(LOCK)}
