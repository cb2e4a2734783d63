"""What the command line imports before it knows what to do."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = {"accelerate", "datasets", "evaluate", "pandas", "sklearn", "torch", "transformers"}


@pytest.mark.parametrize("module", ["finetune", "finetune.recipe", "finetune.compose", "finetune.cli"])
def test_help_list_and_show_import_nothing_heavy(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no {module} yet")
    program = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert HEAVY & set(result.stdout.split()) == set()
