"""scripts/run and scripts/test on a copy of the checkout, with a Python that makes and fills no real environment."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Answers `-c` as the real Python does; writes down, instead of doing, what would make and fill an environment.
STAND_IN = """#!/bin/sh
case "$1 $2" in
"-m venv")
    echo "venv" >>"$CALLS"
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    cp "$0" "$3/bin/pytest"
    echo "VIRTUAL_ENV=$3" >"$3/bin/activate" ;;
"-m pip")
    [ "$3" = install ] || exit 0
    echo "$*" >>"$CALLS"
    sleep "${PIP_SECONDS:-0}"
    [ -z "$PIP_ERROR" ] || { echo "$PIP_ERROR"; exit 1; } ;;
-*) exec "$REAL_PYTHON" "$@" ;;
*) echo "${0##*/} $* in $PWD" ;;
esac
"""
TOO_OLD = """#!/bin/sh
[ "$1" = --version ] && echo Python 3.9.18
[ "$1" = --version ]
"""
NO_VENV = """#!/bin/sh
case "$*" in *ensurepip*) exit 1 ;; esac
exec "$REAL_PYTHON" "$@"
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout whose python3 is a stand-in."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        calls, path = str(self.root / "calls"), f"{self.root}/bin:{os.environ['PATH']}"
        ours = {key: value for key, value in os.environ.items() if key != "PYTHON"}
        return {**ours, "CALLS": calls, "PATH": path, "REAL_PYTHON": sys.executable, "PIP_ERROR": ""}

    def start(self, script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "scripts" / script, *arguments],
            cwd=self.root.parent,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments, **environment)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def calls(self) -> list[str]:
        """What the stand-in was asked to do since the last time."""
        log = self.root / "calls"
        calls = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [call.rpartition(" ")[2] for call in calls]

    def replace_python(self, text: str) -> None:
        python = self.root / "bin" / "python3"
        python.write_text(text)
        python.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    (root / "bin").mkdir()
    copy = Checkout(root)
    copy.replace_python(STAND_IN)
    return copy


def assert_refused(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert [part for part in parts if part not in result.stderr] == []


def test_first_call_sets_up_and_the_second_only_starts(checkout: Checkout) -> None:
    first = checkout.call("run", "recipe=sst2")
    assert (first.returncode, checkout.calls()) == (0, ["venv", ".[peft,samples]"])
    second = checkout.call("run", "recipe=sst2")
    assert (second.returncode, checkout.calls(), second.stderr) == (0, [], "")
    started = f"python {checkout.root}/scripts/launch.py recipe=sst2 in {checkout.root.parent}\n"
    assert first.stdout == second.stdout == started


def test_pip_installs_under_the_constraints(checkout: Checkout) -> None:
    checkout.call("run")
    assert "--constraint requirements.lock" in (checkout.root / "calls").read_text()


def test_help_needs_no_set_up(checkout: Checkout) -> None:
    result = checkout.call("run", "recipe=sst2", "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("usage: scripts/run")
    assert not (checkout.root / ".venv").exists()


def test_a_link_to_the_script_finds_the_checkout(checkout: Checkout) -> None:
    link = checkout.root.parent / "train"
    link.symlink_to(checkout.root / "scripts" / "run")
    result = subprocess.run([link], env=checkout.environment, check=True, capture_output=True, text=True)
    assert f"{checkout.root}/scripts/launch.py" in result.stdout


def test_what_serves_the_tests_serves_a_run(checkout: Checkout) -> None:
    result = checkout.call("test", "tests/test_scripts.py")
    assert result.stdout == f"pytest tests/test_scripts.py in {checkout.root}\n"
    assert checkout.calls() == ["venv", ".[test]"]
    checkout.call("run")
    assert checkout.calls() == []


def test_tests_add_to_what_a_run_installed(checkout: Checkout) -> None:
    checkout.call("run")
    checkout.calls()
    checkout.call("test", "-x")
    assert checkout.calls() == [".[test]"]


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_requirement_installs_again(checkout: Checkout, name: str) -> None:
    checkout.call("run")
    checkout.calls()
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    checkout.call("run")
    assert checkout.calls() == [".[peft,samples]"]


def test_a_moved_checkout_is_set_up_anew(checkout: Checkout) -> None:
    checkout.call("run")
    moved = Checkout(checkout.root.rename(checkout.root.parent / "moved"))
    moved.calls()
    moved.call("run")
    assert moved.calls() == ["venv", ".[peft,samples]"]


def test_the_oldest_versions_have_an_environment_of_their_own(checkout: Checkout) -> None:
    first = checkout.call("test_oldest", "tests/test_scripts.py")
    assert first.stdout == f"pytest tests/test_scripts.py in {checkout.root}\n"
    assert checkout.calls() == ["venv", ".[test]", "venv", ".[test]"]
    assert (checkout.root / ".venv-oldest" / "constraints.txt").read_text().startswith("python scripts/oldest_versions")
    checkout.call("test_oldest", "-x")
    assert checkout.calls() == []


def test_an_environment_of_oldest_versions_that_failed_is_made_again(checkout: Checkout) -> None:
    checkout.call("test", "-x")
    assert checkout.call("test_oldest", "-x", PIP_ERROR="ERROR: no such version").returncode == 1
    checkout.calls()
    assert checkout.call("test_oldest", "tests").stdout == f"pytest tests in {checkout.root}\n"
    assert checkout.calls() == ["venv", ".[test]"]


NO_NETWORK = """WARNING: Retrying after connection broken by 'NewConnectionError('<0x7f>: No route to host')': /simple/
ERROR: No matching distribution found for torch"""


@pytest.mark.parametrize(
    ("error", "quoted"),
    [("ERROR: No space left", "No space left"), (NO_NETWORK, "cannot be reached: No route to host (")],
)
def test_a_failed_set_up_quotes_pip_and_is_done_again(checkout: Checkout, error: str, quoted: str) -> None:
    failed = checkout.call("run", PIP_ERROR=error)
    assert failed.returncode == 1
    assert quoted in failed.stderr.splitlines()[-1]
    checkout.calls()
    assert checkout.call("run").returncode == 0
    assert checkout.calls() == ["venv", ".[peft,samples]"]


def test_a_failed_upgrade_leaves_what_worked(checkout: Checkout) -> None:
    checkout.call("run")
    assert checkout.call("test", PIP_ERROR="ERROR: no network").returncode == 1
    checkout.calls()
    assert checkout.call("run").returncode == 0
    assert checkout.calls() == []


def test_two_calls_at_once_set_up_once(checkout: Checkout) -> None:
    both = [checkout.start("run", PIP_SECONDS="0.5") for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert checkout.calls() == ["venv", ".[peft,samples]"]
    assert any("waiting" in stderr for _, stderr in outputs)


@pytest.mark.parametrize("script", ["run", "test"])
def test_an_old_python_is_named_in_one_line(checkout: Checkout, script: str) -> None:
    checkout.replace_python(TOO_OLD)
    result = checkout.call(script, PYTHON=f"{checkout.root}/bin/python3")
    assert_refused(result, "Python 3.11 or newer is needed", "is Python 3.9.18", "PYTHON=")


def test_a_missing_python_is_named_in_one_line(checkout: Checkout) -> None:
    result = checkout.call("run", PYTHON="/nowhere/python3")
    assert_refused(result, "there is no /nowhere/python3", "PYTHON=")


def test_a_python_without_venv_is_named_in_one_line(checkout: Checkout) -> None:
    checkout.replace_python(NO_VENV)
    result = checkout.call("run")
    assert_refused(result, "no venv module", "apt install python3-venv")


# launch.py, started with the real libraries and a run.py that tells what it was given, once all its processes run.

TELL = """
import json, os, sys, time
from pathlib import Path
from typing import Any
told = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "RANK")} | {"arguments": sys.argv[1:]}
report = Path(__file__).with_name(f"{os.getpid()}.json")
report.with_suffix(".part").write_text(json.dumps(told))
report.with_suffix(".part").rename(report)
while len(list(report.parent.glob("*.json"))) < int(os.environ.get("WORLD_SIZE", 1)):
    time.sleep(0.01)
sys.exit(STATUS)
"""


@dataclass(frozen=True)
class Launched:
    """How launch.py ended, and what each process of run.py told."""

    returncode: int
    stderr: str
    told: list[dict[str, Any]]


def launch(folder: Path, *arguments: str, status: int = 0) -> Launched:
    for name in ("scripts", "finetune"):
        (folder / name).mkdir()
    script = shutil.copy(ROOT / "scripts" / "launch.py", folder / "scripts")
    (folder / "finetune" / "run.py").write_text(TELL.replace("STATUS", str(status)))
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    command = [sys.executable, str(script), *arguments]
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    told = [json.loads(report.read_text()) for report in (folder / "finetune").glob("*.json")]
    return Launched(result.returncode, result.stderr, told)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    arguments = ["recipe=sst2", "--num_processes", "1", "training.epochs=1", "--cpu", "stray"]
    return launch(tmp_path_factory.mktemp("alone"), *arguments, status=2)


def test_a_users_mistake_keeps_its_status_and_gets_no_traceback(alone: Launched) -> None:
    assert (alone.returncode, alone.stderr) == (2, "")


def test_flags_go_to_accelerate_and_the_rest_to_run(alone: Launched) -> None:
    assert [set(process["arguments"]) for process in alone.told] == [{"recipe=sst2", "training.epochs=1", "stray"}]


def test_one_process_has_all_the_cores(alone: Launched) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", "import torch; print(torch.get_num_threads())"]
    default = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    assert [process["OMP_NUM_THREADS"] for process in alone.told] == [default]


def test_two_processes_start_on_cpu_and_keep_their_status(tmp_path: Path) -> None:
    result = launch(tmp_path, "--cpu", "--num_processes", "2", "recipe=sst2", status=3)
    assert {process["RANK"] for process in result.told} == {"0", "1"}
    assert result.returncode == 3


def test_an_unknown_flag_is_told_in_short(tmp_path: Path) -> None:
    result = launch(tmp_path, "--epochs", "3")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == "scripts/run: error: unrecognized arguments: --epochs"
