"""`import finetune`: light, and every public name is there."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import finetune

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_there() -> None:
    for name in finetune.__all__:
        assert getattr(finetune, name) is not None
    assert set(finetune.__all__) <= set(dir(finetune))
    with pytest.raises(AttributeError, match="module 'finetune' has no attribute 'tran'"):
        _ = finetune.tran  # type: ignore[attr-defined]


def test_importing_the_package_is_light() -> None:
    program = "import sys; before = set(sys.modules); import finetune; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert not {"torch", "transformers", "datasets", "pandas", "pydantic", "rich", "yaml"} & loaded
    program = "import time; start = time.process_time(); import finetune; print(time.process_time() - start)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.1


def test_the_names_are_typed(tmp_path: Path) -> None:
    program = tmp_path / "typed.py"
    program.write_text('import finetune\nreveal_type(finetune.train("sst2").scores)\nreveal_type(finetune.STOP)\n')
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", str(program)]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout, time.monotonic() - start)
    assert 'Revealed type is "dict[str, float]"' in done.stdout.replace("builtins.", "")
    assert "Request.STOP" in done.stdout
