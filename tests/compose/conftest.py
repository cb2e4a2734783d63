"""Fixtures of the tests of finetune.compose."""

from pathlib import Path

import pytest

from tests.compose.recipes import MINE


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return str(path)
