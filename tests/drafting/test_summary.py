from pathlib import Path

from finetune.drafting import draft_recipe, next_commands, summary
from tests.drafting.files import ROWS, WRITERS, write_table


def test_what_was_decided_is_shown_with_its_reasons(tmp_path: Path) -> None:
    lines = summary(draft_recipe(WRITERS["csv"](tmp_path)))
    assert lines[0].endswith("120 rows; columns review, stars")
    assert "  data.columns.text: review  (the only column of texts)" in lines
    assert not any(line.startswith("not certain") for line in lines)


def test_doubts_are_shown_last(tmp_path: Path) -> None:
    write_table(
        tmp_path / "a.csv", [("text", "stars", "category"), *((text, n % 2, n % 3) for n, (text, _) in enumerate(ROWS))]
    )
    assert summary(draft_recipe(tmp_path / "a.csv"))[-1].startswith("not certain: data.columns.label=stars: 'category'")


def test_the_commands_are_those_of_a_shell() -> None:
    assert next_commands(Path("a b.yaml"))[1:] == [
        "  finetune check 'recipe=a b.yaml'",
        "  finetune run 'recipe=a b.yaml'",
    ]
