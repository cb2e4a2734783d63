"""The command's entry point: another distribution that installs a package `finetune` is reported, not run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
THEIRS = {"finetune/__init__.py": "raise ImportError('this is the other project')\n", "finetune/theirs.py": "\n"}


def install(site: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    """Lay files in a folder as pip does: what is there is overwritten, and RECORD names each file with its size."""
    record = []
    for file, text in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text(text)
        record.append(f"{file},sha256=0,{(site / file).stat().st_size}")
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("\n".join(record) + "\n")


def install_ours(site: Path) -> None:
    files = [ROOT / "finetune_masks.py", *(ROOT / "finetune").rglob("*.py")]
    install(site, "finetune-masks", "0.1.0", {str(file.relative_to(ROOT)): file.read_text() for file in files})
    shutil.copytree(ROOT / "recipes", site / "finetune" / "recipes")


def command(*path: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from finetune_masks import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "--version"],
        cwd=path[0],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert [part for part in parts if part not in result.stderr] == []


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def test_another_package_that_python_finds_first(site: Path) -> None:
    install(site, "finetune", "0.10.0", THEIRS)
    result = command(site, ROOT)
    assert_refused(result, "finds another package", str(site / "finetune" / "__init__.py"), "finetune 0.10.0")
    assert "pip uninstall finetune," in result.stderr


def test_a_folder_named_finetune_that_no_distribution_installed(site: Path) -> None:
    (site / "finetune").mkdir()
    (site / "finetune" / "__init__.py").write_text("")
    assert_refused(command(site, ROOT), "finds another package", str(site / "finetune" / "__init__.py"))


def test_another_distribution_that_is_installed_over_this_one(site: Path) -> None:
    install_ours(site)
    install(site, "Fine.Tune_two", "2.0", THEIRS)
    assert_refused(command(site), "overwrote a file", "Fine.Tune_two 2.0", "pip uninstall Fine.Tune_two,")


def test_another_distribution_that_took_files_along_when_it_was_uninstalled(site: Path) -> None:
    install_ours(site)
    (site / "finetune" / "errors.py").unlink()
    assert_refused(command(site), "is missing", str(site / "finetune" / "errors.py"), "--force-reinstall")


def test_this_distribution_installed_over_another_works(site: Path) -> None:
    install(site, "finetune", "0.10.0", THEIRS)
    install_ours(site)
    result = command(site)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_file_that_the_user_edited_is_no_conflict(site: Path) -> None:
    install_ours(site)
    with (site / "finetune" / "errors.py").open("a") as file:
        file.write("# edited\n")
    assert command(site).returncode == 0


def test_the_module_is_the_command(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "finetune", "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip()
