import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from finetune.samples import fetch
from finetune.samples.package import Package

PROJECT = '[build-system]\nrequires = []\nbackend-path = ["."]\nbuild-backend = "backend"\n'
BACKEND = """
import os

def prepare_metadata_for_build_wheel(folder, settings=None):
    name = os.path.join(folder, "tiny_sample-1.0.dist-info")
    os.mkdir(name)
    with open(os.path.join(name, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: tiny-sample\\nVersion: 1.0\\n")
    return os.path.basename(name)

def build_wheel(folder, settings=None, metadata=None):
    raise NotImplementedError
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own; the folder where samples will lie."""
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "samples"


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, instead of any index."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(local_index: Path) -> Package:
    """A source distribution in the local index, whose build needs nothing that would have to be downloaded."""
    archive = local_index / "tiny_sample-1.0.tar.gz"
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: tiny-sample\nVersion: 1.0\n",
        "pyproject.toml": PROJECT,
        "backend.py": BACKEND,
        "data/rows.txt": "one\ntwo\n",
    }
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"tiny_sample-1.0/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Package("tiny-sample", "1.0", "sdist", sha256, "MIT", ("tiny_sample-1.0/data/*",))


@pytest.fixture
def pip_calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of every pip call."""
    calls: list[list[str]] = []
    run = fetch.run_pip

    def counted(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        calls.append(arguments)
        return run(arguments)

    monkeypatch.setattr(fetch, "run_pip", counted)
    return calls


@pytest.fixture
def needs_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the test where a package is not in the cache yet and no index answers."""
    run = fetch.run_pip

    def run_or_skip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        result = run(arguments)
        if result.returncode != 0 and (os.environ.get("PIP_NO_INDEX") or "connection broken by" in result.stderr):
            pytest.skip("the sample is not in the cache, and no package index answers")
        return result

    monkeypatch.setattr(fetch, "run_pip", run_or_skip)
