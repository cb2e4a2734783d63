"""Mistakes that are reported before torch and transformers are imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from finetune import compose
from finetune.errors import UserError
from finetune.tasks.preflight import check_early

WORDS = ["recipe=sentiment_sample", "data.columns.text=review"]


def test_a_missing_column_and_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,label\nfine,1\n")
    with pytest.raises(UserError, match="there is no column 'review'"):
        check_early(compose.compose([*WORDS, f"data.path={path}"]))
    with pytest.raises(UserError, match="there is no file"):
        check_early(compose.compose([*WORDS, f"data.path={tmp_path / 'absent.csv'}"]))


def test_a_run_that_is_resumed_may_do_without_its_data(tmp_path: Path) -> None:
    check_early(compose.compose([*WORDS, f"data.path={tmp_path / 'absent.csv'}", "resume=auto"]))


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_commands_report_it_before_heavy_imports(command: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,label\nfine,1\n")
    # Where a module's entry is None, importing it fails.
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["torch", "transformers", "datasets"]))
sys.argv = ["finetune", {command!r}, *{WORDS}, "data.path={path}"]
from finetune.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: there is no column 'review'")
