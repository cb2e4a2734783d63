"""The cache folder is where the user's variables put it."""

from pathlib import Path

import pytest

from finetune.cache_folder import cache_folder


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/own", "/xdg", "/own"),
        ("~/own", None, "/home/user/own"),
        (None, "/xdg", "/xdg/finetune"),
        (None, "relative", "/home/user/.cache/finetune"),
        (None, None, "/home/user/.cache/finetune"),
        ("", "", "/home/user/.cache/finetune"),
    ],
)
def test_where_the_cache_is(own: str | None, xdg: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    for name, value in (("FINETUNE_CACHE", own), ("XDG_CACHE_HOME", xdg)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
