"""The commands as people type them, in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, cwd: Path = ROOT, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )


def finetune(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return command("-c", "import sys; from finetune.cli import main; sys.exit(main())", *words, environment=environment)
