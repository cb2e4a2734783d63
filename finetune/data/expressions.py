"""Expressions over columns: Python's, of a kind that can do nothing but look at values.

Comparisons, and, or, not, in, arithmetic, a few functions (`len`, `abs`, ...) and the methods of text. Names are
columns; `row["#1 String"]` is one whose name is no word. Text is compared with a number as the number that it writes.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from finetune.errors import nearest

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "abs": abs,
    "min": min,
    "max": max,
    "sum": sum,
    "any": any,
    "all": all,
    "set": set,
    "int": int,
    "float": float,
    "str": str,
    "round": round,
}
_METHODS = frozenset(
    [
        "startswith",
        "endswith",
        "lower",
        "upper",
        "strip",
        "split",
        "count",
        "find",
        "isascii",
        "isupper",
        "islower",
        "isdigit",
        "isalpha",
        "isspace",
        "istitle",
        "replace",
        "removeprefix",
        "removesuffix",
    ]
)
_NODES = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Compare, ast.Eq,
    ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.BinOp, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Call, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.Set,
    ast.Subscript, ast.Slice, ast.Attribute, ast.IfExp,
)  # fmt: skip
# Expressions of pyarrow.compute cannot take the place of this compiler. A comparison with None is null there, and the
# row would be dropped where Python keeps it (`label != "spam"`); text functions take constants only, so that
# `label in text` of two columns has no form; `any`, `all` and `set` of a row's list have none either; and a kernel that
# fails does not say on which row, which the messages name.
_ROW = "row"


@dataclass(frozen=True)
class Expression:
    """An expression that was read.

    Args:
        columns: The columns that it names.
        evaluate: Its value, from theirs in that order.
        numbers: Those of the columns that it compares with numbers.
    """

    columns: tuple[str, ...]
    evaluate: Callable[..., Any]
    numbers: frozenset[str]


def compile_expression(text: str) -> Expression:
    """Read an expression.

    Raises:
        ValueError: It is no Python, uses what is not allowed here, is nested too deeply, or names no column.
    """
    try:
        return _compile(text)
    except (RecursionError, MemoryError):  # Python's parser raises either, depending on what is nested
        raise ValueError("it is too long, or nested too deeply") from None


def _compile(text: str) -> Expression:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(error.msg) from None
    _refuse_other(tree)
    reader = _Columns()
    body = reader.visit(tree).body
    if not reader.columns:
        raise ValueError("it names no column")
    whole = ast.parse(f"lambda {', '.join(reader.columns.values())}: None", mode="eval")
    assert isinstance(whole.body, ast.Lambda)
    whole.body.body = body
    code = compile(ast.fix_missing_locations(whole), "<expression>", "eval")
    # The tree holds nothing but what _refuse_other and _Columns let through.
    evaluate = eval(code, {"__builtins__": {}} | _FUNCTIONS)
    return Expression(tuple(reader.columns), evaluate, frozenset(reader.numbers))


class _Columns(ast.NodeTransformer):
    """Puts an argument in the place of each column, and notes which columns are compared with numbers."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        self.numbers: set[str] = set()

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._argument(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = ast.unparse(node)
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name} is neither a column nor a method of text")
        return self._argument(name)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        named = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        if named and isinstance(node.value, ast.Name) and node.value.id == _ROW:
            assert isinstance(node.slice, ast.Constant)
            return self._argument(str(node.slice.value))
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace columns in the arguments alone: the name of the function or method is not a column."""
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        sides = [node.left, *node.comparators]
        if any(_is_number(side) for side in sides):
            self.numbers |= set().union(*map(_columns_outside_calls, sides))
        return self.generic_visit(node)

    def _argument(self, column: str) -> ast.Name:
        return ast.Name(self.columns.setdefault(column, f"_{len(self.columns)}"), ast.Load())


def _is_number(node: ast.AST) -> bool:
    """Return whether a side of a comparison is a number, or a list of numbers."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return bool(node.elts) and all(map(_is_number, node.elts))
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _columns_outside_calls(node: ast.AST) -> set[str]:
    """Return the columns that are compared themselves, outside of calls: none in `len(text) > 3`."""
    if isinstance(node, ast.Call):
        return set()
    if isinstance(node, ast.Name | ast.Attribute):
        return {ast.unparse(node)}
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return {str(node.slice.value)}
    return set().union(*map(_columns_outside_calls, ast.iter_child_nodes(node)))


def _refuse_other(tree: ast.AST) -> None:
    """Raise for anything that is not in the small language."""
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise ValueError(f"there is no place for {type(node).__name__} in it")
        if isinstance(node, ast.Call):
            is_method = isinstance(node.func, ast.Attribute)
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            known = _METHODS if is_method else _FUNCTIONS.keys()
            if name not in known:
                likely = nearest(name, known)
                guess = f"; did you mean {likely}()?" if likely else ""
                raise ValueError(f"{name}() is none of {', '.join(sorted(known))}{guess}")
