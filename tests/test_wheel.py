"""The wheel, built as a user builds it and installed from its file: what it holds, and that it works."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from finetune import __version__, compose

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ["model.name=null", "model.scratch.architecture=bert", "model.scratch.size=tiny", "task.max_length=32"]
COLUMNS = ["data.columns.text=review", "data.columns.label=stars"]

pytestmark = [pytest.mark.network, pytest.mark.slow]  # pip fetches the build backend


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds the wheel alone, and sees the libraries of the environment of the tests."""

    folder: Path

    def pip(self, *words: str) -> None:
        options = ["--quiet", "--disable-pip-version-check", "--no-input"]
        command = [sys.executable, "-m", "pip", "--python", str(self.folder / "bin" / "python"), *options, *words]
        done = subprocess.run(command, env=clean(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def call(self, name: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / "bin" / name), *words]
        return subprocess.run(command, cwd=cwd, env=clean(), capture_output=True, text=True, check=False)

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found


def clean() -> dict[str, str]:
    """Return the variables of this process without those that lead Python to the checkout."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Environment:
    environment = Environment(tmp_path / "venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment.folder)], check=True)
    environment.pip("install", "--no-deps", "--no-index", str(wheel))
    # Lines of a .pth file become entries of sys.path whose own .pth files, such as an editable installation's, are not
    # read.
    libraries = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (environment.site_packages / "libraries.pth").write_text("\n".join(libraries))
    return environment


def test_the_wheel_holds_all_that_a_run_needs_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.endswith("/")}
        metadata = archive.read(f"finetune_masks-{__version__}.dist-info/METADATA").decode()
    info = {name for name in held if name.startswith(f"finetune_masks-{__version__}.dist-info/")}
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "finetune").rglob("*") if path.is_file()}
    recipes = {f"finetune/recipes/{name}.py" for name in compose.recipe_names()}
    configs = {f"finetune/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.*")}
    package = {name for name in package if "__pycache__" not in name}
    assert {"finetune/py.typed", "finetune/hub/card.md.jinja", "finetune/report/page/page.html.jinja"} <= package
    assert held - info == package | recipes | configs | {"finetune_masks.py"}
    assert any(name.endswith("/licenses/LICENSE") for name in info)
    assert "License-Expression: Apache-2.0" in metadata


def test_the_samples_are_found_by_the_metadata_of_the_wheel(installed: Environment, tmp_path: Path) -> None:
    told = installed.call("finetune", "show", "recipe=sst2", "data.name=null", "data.sample=adress", cwd=tmp_path)
    assert told.returncode == 2
    assert "the data sets address, interface, licence, sentiment" in told.stderr
    code = (
        "from finetune.data.functions import find_data_set\nprint(find_data_set('address', 'data.sample').__module__)"
    )
    found = installed.call("python", "-c", code, cwd=tmp_path)
    assert found.stdout.split() == ["finetune.samples.address"], found.stderr


def test_commands_work_where_only_the_wheel_is_installed(installed: Environment, tmp_path: Path) -> None:
    foreign = installed.site_packages / "recipes" / "foreign.py"  # other distributions install such a package
    foreign.parent.mkdir()
    foreign.write_text("raise ImportError\n")
    listed = installed.call("finetune", "list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines() if line[:1].strip()] == compose.recipe_names()
    drawn = installed.call("finetune", "mask", "window(1)", "--length", "4", "--png", "mask.png", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
    where = installed.call("python", "-c", "import finetune; print(finetune.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.folder)


def test_a_run_and_its_predictions_from_the_wheel(installed: Environment, tmp_path: Path) -> None:
    rows = [f"{text} number {number},{stars}" for number in range(30) for text, stars in (("good", 5), ("bad", 1))]
    (tmp_path / "my.csv").write_text("\n".join(["review,stars", *rows]))
    words = ["recipe=sst2", "data.path=my.csv", *COLUMNS, *SCRATCH, "training.epochs=1", "name=small"]
    done = installed.call("python", "-m", "finetune", "run", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs" / "small").iterdir()
    assert (run / "model" / "README.md").read_text().startswith("---")  # the templates came along
    assert (run / "report.html").read_text().lstrip().startswith("<!DOCTYPE html>")
    told = installed.call("finetune", "predict", str(run), "-i", "my.csv", "-o", "answers.csv", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 61


def test_another_distribution_in_the_same_place_is_told(wheel: Path, installed: Environment, tmp_path: Path) -> None:
    other = write_other_wheel(tmp_path / "finetune-0.10.0-py3-none-any.whl")
    installed.pip("install", "--no-deps", "--no-index", str(other))
    over = installed.call("finetune", "list", cwd=tmp_path)
    assert (over.returncode, over.stdout) == (2, "")
    assert "another distribution overwrote a file" in over.stderr
    assert "finetune 0.10.0" in over.stderr
    installed.pip("uninstall", "--yes", "finetune")
    gone = installed.call("finetune", "list", cwd=tmp_path)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "is missing" in gone.stderr
    installed.pip("install", "--force-reinstall", "--no-deps", "--no-index", str(wheel))
    assert installed.call("finetune", "--version", cwd=tmp_path).stdout.strip() == __version__


def write_other_wheel(path: Path) -> Path:
    """Write a wheel of a distribution `finetune`, as PyPI has one, with a package of the same name."""
    info = "finetune-0.10.0.dist-info"
    files = {
        "finetune/__init__.py": "import tensorflow\n",
        "finetune/errors.py": "class FinetuneError(Exception): ...\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: finetune\nVersion: 0.10.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return path
