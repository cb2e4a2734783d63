"""In which form a data set gives its lists is found from all splits, and each split is read in that form."""

from typing import Any

import pytest

from finetune.data.fields import Field
from finetune.data.forms import ListForms, find_list_forms, refuse_late_lists
from finetune.data.rows import Rows
from finetune.errors import UserError, UserErrors

OPEN = Field("label", "label", "c", is_open=True)
CLASS = Field("label", "label", "c")
LISTS = Field("label", "label_list", "c")
WORDS = Field("tokens", "words", "c")
NUMBER = Field("label", "number", "c")
TEXT = Field("text", "text", "c")


def rows(*values: Any, name: str = "train.csv") -> Rows:
    return Rows(name, {"c": list(values)}, "line", range(2, 2 + len(values)))


def found(field: Field, *splits: Rows) -> ListForms:
    return find_list_forms(splits, [field])


@pytest.mark.parametrize(
    ("field", "values", "forms"),
    [
        (LISTS, ["['a', 'b']", ""], ListForms(written=frozenset("c"))),
        (WORDS, ["['a', 'b']", "['c']"], ListForms(written=frozenset("c"))),
        (OPEN, ["['a']"], ListForms(written=frozenset("c"))),
        (LISTS, [[0, 1, 1], [1, 0, 0]], ListForms(num_flags={"c": 3})),
        (OPEN, ["[0, 1]", "[1, 1]"], ListForms(written=frozenset("c"), num_flags={"c": 2})),
        (OPEN, ["1,5", "2"], ListForms(decimal_commas=frozenset("c"))),
        (NUMBER, ["1,5", "2"], ListForms(decimal_commas=frozenset("c"))),
        (CLASS, [["a"], ["b"]], ListForms(lists_of_one=frozenset("c"))),
        (CLASS, ["a", "b"], ListForms()),
        (NUMBER, ["[1]", "[2]"], ListForms()),
        (TEXT, ["['a', 'b']"], ListForms()),
        (WORDS, [[0, 1], [1, 1]], ListForms()),
        (OPEN, [[0, 2], [1, 1]], ListForms()),
    ],
)
def test_forms(field: Field, values: list[Any], forms: ListForms) -> None:
    assert found(field, rows(*values)) == forms


def test_all_splits_decide_together() -> None:
    assert found(LISTS, rows("", "a"), rows("['a', 'b']")).written == {"c"}
    assert found(LISTS, rows([0, 1]), rows([0, 1, 0])) == ListForms()
    assert found(CLASS, rows(["a"]), rows("b")) == ListForms()


def test_numbers_of_named_classes_are_no_flags() -> None:
    named = Rows("mine", {"c": [[0, 1], [1, 0]]}, class_names={"c": ("x", "y")})
    assert found(LISTS, named) == ListForms()


def test_rows_are_read_in_the_form_that_was_found() -> None:
    forms = found(OPEN, rows("[0, 1, 1]", "[1, 0, 0]"))
    read = forms.apply(rows("[0, 0, 1]", ""), [OPEN], ["a", "b", "c"])
    assert read.columns["c"].to_pylist() == [[2], None]  # type: ignore[union-attr]
    assert read.class_names == {"c": ("a", "b", "c")}
    commas = found(NUMBER, rows("1,5")).apply(rows("2,25"), [NUMBER], None)
    assert commas.columns["c"] == ["2.25"]
    single = found(CLASS, rows(["a"])).apply(rows(["b"], []), [CLASS], None)
    assert single.columns["c"] == ["b", None]


def test_rows_of_no_such_form_are_returned_themselves() -> None:
    given = rows("a")
    assert ListForms().apply(given, [OPEN, TEXT], None) is given


def test_rows_of_another_form_are_told_for_all_columns_at_once() -> None:
    fields = [Field("tokens", "words", "a"), Field("labels", "word_labels", "b")]
    forms = ListForms(written=frozenset("ab"))
    with pytest.raises(UserErrors) as caught:
        forms.apply(Rows("my.csv", {"a": ["['x']", "[x"], "b": ["['O'", "['O']"]}, "line", [2, 3]), fields, None)
    assert [error.where for error in caught.value.errors] == ["my.csv, line 3", "my.csv, line 2"]
    with pytest.raises(UserError, match="holds a 0 or a 1 for each of 2 labels, and 3 are named"):
        found(LISTS, rows([0, 1])).apply(rows([0, 1]), [LISTS], ["a", "b", "c"])


def test_a_cell_that_is_no_list_is_told_where_the_form_is_applied() -> None:
    forms = found(OPEN, rows("['a', 'b']", "[broken"))
    assert forms == ListForms(written=frozenset("c"))
    with pytest.raises(UserError, match="1 row without a list in column 'c'"):
        forms.apply(rows("['a', 'b']", "[broken"), [OPEN], None)


def test_each_form_has_its_note() -> None:
    forms = ListForms(frozenset("ba"), {"f": 2}, frozenset("n"), frozenset("o"))
    notes = forms.notes([], None)
    assert [note.split("'")[1] for note in notes] == ["a", "b", "f", "n", "o"]
    assert notes[0] == "column 'a' holds lists written as text: they are read as lists"
    assert notes[2].endswith(
        "a flag for each of 2 labels (called by their numbers from 0, unless data.labels names them)"
    )
    assert forms.notes([], ["x", "y"])[2].endswith("a flag for each of 2 labels (x, y)")
    assert ListForms().notes([OPEN], None) == ()


def test_lists_that_come_late_in_streamed_rows_are_told() -> None:
    late = rows("a", "['b', 'c']", name="my.csv")
    with pytest.raises(
        UserError, match="column 'c' holds lists written as text here, and none in the rows before"
    ) as caught:
        refuse_late_lists(ListForms(), late, [LISTS])
    assert (caught.value.where, caught.value.found) == ("my.csv, line 3", repr("['b', 'c']"))
    assert "data.streaming=false" in str(caught.value.fix)


def test_late_lists_are_none_where_lists_are_expected_or_mean_nothing() -> None:
    late = rows("['b', 'c']")
    refuse_late_lists(ListForms(written=frozenset("c")), late, [LISTS])
    for field in (TEXT, NUMBER, WORDS):
        refuse_late_lists(ListForms(), late, [field])
    refuse_late_lists(ListForms(), rows("a", "b"), [LISTS])
