import pytest

from finetune.attention.masks import parse, window
from finetune.attention.masks.text import write_argument


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (3, "3"),
        (-1, "-1"),
        ("word", "word"),
        ("wört_2", "wört_2"),
        ("2nd", '"2nd"'),
        ("a b", '"a b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("", '""'),
        (window(1) & ~window(2, 0), "window(1) & ~window(2, 0)"),
    ],
)
def test_names_have_quotes_only_where_the_parser_needs_them(argument: object, text: str) -> None:
    assert write_argument(argument) == text
    if isinstance(argument, str) and argument:
        assert str(parse(f"same({text})")) == f"same({text})"
