"""The command as a user calls it, on a CPU with tiny sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts.gpu_checks.command import chosen_parts, main, parse
from scripts.gpu_checks.parts import PARTS

ROOT = Path(__file__).parents[3]

BLOCKING = """
import sys

BLOCKED = {"pydantic", "pydantic_core", "datasets", "evaluate"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
"""A sitecustomize module, which Python imports at its start: packages that are not on a machine with a GPU."""


def check_gpu(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call the executable with the Python of this process, and with a folder in front of its modules."""
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(path) if path else ""
    return subprocess.run(
        [str(ROOT / "scripts" / "check_gpu"), *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=path,
        check=False,
    )


@pytest.mark.slow
def test_without_pydantic_datasets_and_evaluate_all_but_the_training_loop_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLOCKING)
    parts = "learning; training loop; windows, 4k tokens"
    result = check_gpu("--device", "cpu", "--quick", "--output", "out/gpu.json", "--parts", parts, path=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert report["passed"]
    assert {"pydantic", "datasets", "evaluate"} <= set(report["machine"]["missing"])
    statuses = {part["name"]: part["status"] for part in report["parts"]}
    assert statuses == {"learning": "passed", "training loop": "left out", "windows, 4k tokens": "passed"}
    assert "pydantic is not installed: training by finetune.training is left out" in result.stdout
    (left_out,) = report["parts"][1]["left_out"]
    assert "cannot be imported" in left_out["reason"]


def test_attention_and_every_part_are_imported_without_pydantic_datasets_and_evaluate() -> None:
    modules = "finetune.attention.pretrained, finetune.attention.layers, scripts.gpu_checks.parts"
    program = f"{BLOCKING}\nimport {modules}\nassert not BLOCKED & set(sys.modules), BLOCKED & set(sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.slow
def test_without_a_gpu_it_says_so_and_ends_with_status_2(tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    result = check_gpu("--output", str(output))
    assert result.returncode == 2
    assert "no GPU was found" in result.stderr
    assert "--device cpu --quick" in result.stderr
    assert "Traceback" not in result.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parts", "kernel"], "there is no part 'kernel'; there are kernels; flex"),
        (["--minutes", "0"], "--minutes: expected a number above 0, found 0"),
    ],
)
def test_a_wrong_argument_ends_with_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_parts_are_run_in_their_order_all_by_default() -> None:
    assert chosen_parts(None) == list(PARTS)
    assert [part.name for part in chosen_parts("models; kernels;")] == ["kernels", "models"]
    assert parse([]).device == "cuda"
