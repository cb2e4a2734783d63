"""The columns of the data set that masks read, which are known without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from finetune import compose
from finetune.attention import Program
from finetune.errors import UserError
from finetune.tasks.mask_fields import data_fields, needed_columns, spans_field
from finetune.tasks.preflight import check_early

PROGRAM = Program.from_config(
    {"encoder": "same(word) & near(turn, 1) | keys(cls) & prefix(length)", "cross": "before(who)"}
)


def test_the_columns_that_neither_tokenizer_nor_model_knows_are_read() -> None:
    assert needed_columns(PROGRAM) == ("turn", "who", "word")
    by_word = [(field.name, field.kind, field.column, field.text) for field in data_fields(PROGRAM)]
    assert by_word == [
        ("mask_turn", "words", "turn", None),
        ("mask_who", "words", "who", None),
        ("mask_length", "text", "length", None),
    ]
    in_texts = data_fields(PROGRAM, {"text": "review", "text_pair": "answer"})
    assert [(field.name, field.kind, field.text) for field in in_texts] == [
        ("mask_turn", "spans", "text"),
        ("mask_turn_pair", "spans", "text_pair"),
        ("mask_who", "spans", "text"),
        ("mask_who_pair", "spans", "text_pair"),
        ("mask_length", "text", None),
    ]
    assert spans_field("who", "text_pair") == "mask_who_pair"
    assert data_fields(Program()) == data_fields(Program(), {"text": "text"}) == ()


@pytest.mark.parametrize(
    ("mask", "problem", "fix"),
    [
        (
            "same(entities)",
            "there is no column 'entities', which a mask reads",
            "write another name in the mask; word, sentence, segment need no column; did you mean 'entity'?",
        ),
        (
            "near(sentense, 1)",
            "there is no column 'sentense', which a mask reads",
            "segment need no column; did you mean 'sentence'?",
        ),
        (
            "prefix(size)",
            "there is no column 'size', which a mask reads",
            "add the column with a whole number for each example, or write another name in the mask",
        ),
    ],
)
def test_a_column_that_is_missing_is_told_before_torch_is_imported(
    mask: str, problem: str, fix: str, tmp_path: Path
) -> None:
    path = tmp_path / "my.jsonl"
    path.write_text('{"text": "Anna", "label": "a", "entity": [[0, 4, 1]]}\n' * 9)
    words = ["recipe=sst2", f"data.path={path}", "data.columns.text=text", f"attention.encoder={mask}"]
    with pytest.raises(UserError, match=problem) as caught:
        check_early(compose.compose(words))
    assert caught.value.fix is not None
    assert caught.value.fix.endswith(fix)


def test_the_fields_need_no_torch() -> None:
    code = "import sys, finetune.tasks.mask_fields, finetune.tasks.fields; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
