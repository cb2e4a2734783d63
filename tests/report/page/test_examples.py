"""The worst examples come first, and the table keeps its size."""

from pathlib import Path
from typing import Any

from finetune.report.page.examples import ExampleTable, example_table, plain
from tests.report.page.folders_of_runs import read_one, write_run


def table_of(folder: Path, num_runs: int = 1) -> ExampleTable:
    table = example_table(read_one(folder), num_runs)
    assert isinstance(table, ExampleTable)
    return table


def ids(table: ExampleTable) -> list[str]:
    return [row.cells[0].pieces[0].text for row in table.rows]


def test_the_most_confident_mistakes_come_first(tmp_path: Path) -> None:
    table = table_of(write_run(tmp_path / "run"))
    assert ids(table) == ["2", "1", "0"]
    assert [cell.pieces[0].text for cell in table.rows[0].cells] == ["2", "dull", "good", "bad", "80.0%", "20.0%"]
    assert table.filters == {"outcome": ["right", "wrong"], "reference": ["bad", "good"]}
    assert table.note.startswith("2 of 3 examples are predicted wrong")


def test_an_older_run_without_probabilities_has_its_mistakes(tmp_path: Path) -> None:
    stored = [{"id": i, "input": "a", "reference": "good", "prediction": ["good", "bad"][i]} for i in range(2)]
    table = table_of(write_run(tmp_path / "run", predictions=stored))
    assert table.headings == ("number", "text", "prediction", "reference")
    assert ids(table) == ["1", "0"]


def test_words_with_wrong_labels_come_first(tmp_path: Path) -> None:
    table = table_of(write_run(tmp_path / "run", "token_classification"))
    assert ids(table) == ["0", "1"]
    assert [piece.note for piece in table.rows[0].cells[1].pieces] == ["O \u2192 B-THING", "B-THING \u2192 I-THING"]
    assert [piece.text for piece in table.legend] == ["THING"]


def test_the_worst_outputs_come_first_with_their_differences(tmp_path: Path) -> None:
    table = table_of(write_run(tmp_path / "run", "text_to_text"))
    assert ids(table) == ["1", "0"]
    output, reference = table.rows[0].cells[2:4]
    assert [piece.text for piece in output.pieces if piece.mark == "removed"] == ["hund "]
    assert [piece.text for piece in reference.pieces if piece.mark == "added"] == ["katze "]


def test_numbers_are_ordered_by_their_distance(tmp_path: Path) -> None:
    stored = [
        {"id": i, "input": "a", "reference": 1.0, "prediction": value} for i, value in enumerate((1.5, -3.0, 1.1))
    ]
    table = table_of(write_run(tmp_path / "run", predictions=stored))
    assert ids(table) == ["1", "0", "2"]
    assert table.rows[0].cells[-1].order == 4.0


def test_sets_of_labels_and_pairs_of_texts_are_shown(tmp_path: Path) -> None:
    line: dict[str, Any] = {"id": 0, "input": ["one", "two"], "reference": ["a", "b"], "prediction": []}
    table = table_of(write_run(tmp_path / "run", predictions=[line]))
    assert [cell.pieces[0].text for cell in table.rows[0].cells[1:4]] == ["one | two", "(none)", "a | b"]
    assert plain({"a": 1}) == '{"a": 1}'


def test_a_sentence_stands_where_there_is_nothing_to_show(tmp_path: Path) -> None:
    stored = [{"id": 0, "input": "a", "reference": None, "prediction": "good"}]
    assert "no references" in str(example_table(read_one(write_run(tmp_path / "a", predictions=stored))))
    assert "no such file" in str(example_table(read_one(write_run(tmp_path / "b", results=None))))


def test_predictions_of_another_task_are_told(tmp_path: Path) -> None:
    line = {"id": 0, "input": "a", "reference": 3, "prediction": "b"}
    told = example_table(read_one(write_run(tmp_path / "run", "token_classification", predictions=[line])))
    assert str(told).startswith("The examples are not shown: they are not those of this task (TypeError: ")


def test_only_so_many_characters_are_scored(tmp_path: Path) -> None:
    text = "word " * 100_000
    lines = [{"id": i, "input": "a", "reference": text, "prediction": text} for i in range(3)]
    table = table_of(write_run(tmp_path / "run", "text_to_text", predictions=lines))
    assert table.note.startswith("The first 2 of 3 examples with the lowest chrF.")
    assert len(table.rows) == 2


def test_right_predictions_have_a_part_of_the_rows(tmp_path: Path) -> None:
    stored = [{"id": i, "input": "a", "reference": "good", "prediction": ["good", "bad"][i % 2]} for i in range(2000)]
    table = table_of(write_run(tmp_path / "run", predictions=stored))
    outcomes = [row.choices["outcome"] for row in table.rows]
    assert (outcomes.count("wrong"), outcomes.count("right")) == (300, 100)
    assert "400 of 2,000 examples are shown" in table.note
    assert len(table_of(tmp_path / "run", num_runs=4).rows) == 100


def test_the_size_of_the_rows_has_a_limit(tmp_path: Path) -> None:
    stored = [{"id": i, "input": '"<&>"' * 1000, "reference": "good", "prediction": "<b>" * 999} for i in range(500)]
    table = table_of(write_run(tmp_path / "run", predictions=stored))
    assert sum(cell.size for row in table.rows for cell in row.cells) < 1_200_000
    assert table.rows
