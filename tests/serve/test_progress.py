"""The progress of a prediction, where there is no terminal."""

import pytest

from finetune.serve import progress
from finetune.serve.progress import Counter


def test_rows_are_counted_and_shown_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Counter(total=200) as counter:
        counter.advance(10, 20)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
        counter.advance(5, 50)
    assert counter.rows == 15
    assert counter.seconds >= 0
    shown = capsys.readouterr().err
    assert "15 rows" in shown
    assert "25% of the input" in shown


def test_the_share_is_left_out_where_the_size_is_not_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with Counter(total=None) as counter:
        counter.advance(3, 0)
    assert "of the input" not in capsys.readouterr().err
