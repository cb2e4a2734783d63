"""Reads the text of a mask: `parse("causal() | prefix(4)")`.

    either   := both ("|" both)*
    both     := operand ("&" operand)*
    operand  := "~" operand | "(" either ")" | NAME "(" [argument ("," argument)*] ")"
    argument := [NAME "="] (NUMBER | NAME | STRING | either)

NAME is letters, digits and underscores, and stands for itself; any other name is a STRING, in double quotes as in
JSON.
"""

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from finetune.attention.masks.base import Mask
from finetune.attention.masks.errors import MaskArgumentError, MaskError, MaskSyntaxError, did_you_mean
from finetune.attention.masks.operators import And, Or
from finetune.attention.masks.registry import Factory, find_mask, mask_names
from finetune.attention.masks.text import NAME

TOKEN = re.compile(
    rf"""\s*(?:
        (?P<number> -?\d+(?:\.\d+)? )
      | (?P<name> {NAME} )
      | (?P<string> "(?:[^"\\]|\\.)*" )
      | (?P<symbol> \S )
    )""",
    re.VERBOSE | re.DOTALL,
)
INSTEAD = {"and": "&", "or": "|", "not": "~", "!": "~", "+": "|", "-": "& ~", "*": "&"}


def parse(text: str) -> Mask:
    """The mask that a text describes; `parse(str(mask)) == mask` for every mask.

    Raises:
        MaskSyntaxError: The text cannot be read, names an unknown mask, or gives a mask wrong arguments.
    """
    try:
        return _Parser(text).parse()
    except RecursionError:
        raise MaskSyntaxError("the mask is nested too deeply", text, 0) from None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class _Argument:
    value: object
    position: int
    keyword: str | None


class _Parser:
    """Recursive descent; one method a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def parse(self) -> Mask:
        mask = self.either()
        if self.token.kind != "end":
            raise self.error(f"expected & or | or the end, {self.found()}")
        return mask

    def either(self) -> Mask:
        return self.joined("|", self.both, Or.of)

    def both(self) -> Mask:
        return self.joined("&", self.operand, And.of)

    def joined(self, symbol: str, rule: Callable[[], Mask], join: Callable[..., Mask]) -> Mask:
        members = [rule()]
        while self.taken(symbol):
            members.append(rule())
        return join(*members)

    def operand(self) -> Mask:
        if self.taken("~"):
            return ~self.operand()
        if self.taken("("):
            mask = self.either()
            self.expect(")")
            return mask
        if self.token.kind == "name":
            return self.call()
        raise self.error(f"expected a mask, {self.found()}")

    def call(self) -> Mask:
        name = self.token
        factory = find_mask(name.text)
        if factory is None:
            hint = _instead(name.text) or did_you_mean(name.text, mask_names())
            raise self.error(f"there is no mask named {name.text!r}{hint}")
        self.next += 1
        if not self.taken("("):
            written = _signature(factory)
            raise self.error(f"expected ( after {name.text}: a mask is written with parentheses, as in {written}")
        arguments: list[_Argument] = []
        while not self.taken(")"):
            if arguments and not self.taken(","):
                raise self.error(f"expected , or ) after an argument of {name.text}, {self.found()}")
            arguments.append(self.argument())
        return self.build(name, factory, arguments)

    def argument(self) -> _Argument:
        start, keyword = self.token.position, None
        if self.token.kind == "name" and self.tokens[self.next + 1].text == "=":
            keyword = self.token.text
            self.next += 2
        return _Argument(self.value(), start, keyword)

    def value(self) -> object:
        token, following = self.token, self.tokens[min(self.next + 1, len(self.tokens) - 1)]
        begins_mask = token.kind == "name" and following.text in ("(", "&", "|")
        if token.kind in ("number", "name", "string") and not begins_mask:
            self.next += 1
            return self.literal(token)
        return self.either()

    def literal(self, token: _Token) -> int | float | str:
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        return str(json.loads(token.text, strict=False)) if token.kind == "string" else token.text

    def build(self, name: _Token, factory: Factory, arguments: list[_Argument]) -> Mask:
        """Call the factory; what it dislikes is shown under the argument at fault."""
        positional = [argument.value for argument in arguments if argument.keyword is None]
        keywords = {argument.keyword: argument.value for argument in arguments if argument.keyword is not None}
        try:
            inspect.signature(factory).bind(*positional, **keywords)
        except TypeError as error:
            raise self.error(f"{name.text}: {error}; it is written {_signature(factory)}", name.position) from None
        try:
            return factory(*positional, **keywords)
        except MaskArgumentError as error:
            at = (argument.position for argument in arguments if _is(argument.value, error.argument))
            raise self.error(f"{error}; it is written {_signature(factory)}", next(at, name.position)) from None
        except MaskError as error:
            raise self.error(str(error), name.position) from None

    def taken(self, symbol: str) -> bool:
        """Step over the symbol if it is next."""
        if self.token.kind != "symbol" or self.token.text != symbol:
            return False
        self.next += 1
        return True

    def expect(self, symbol: str) -> None:
        if not self.taken(symbol):
            raise self.error(f"expected {symbol}, {self.found()}")

    def found(self) -> str:
        """What stands next, as an error message calls it."""
        return "the text ends" if self.token.kind == "end" else f"found {self.token.text!r}{_instead(self.token.text)}"

    def error(self, problem: str, position: int | None = None) -> MaskSyntaxError:
        """The error at the next token, or at `position`."""
        return MaskSyntaxError(problem, self.text, self.token.position if position is None else position)


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
    return [*tokens, _Token("end", "", len(text))]


def _signature(factory: Factory) -> str:
    """The factory's signature as an error shows it: window(left, right=None)."""
    empty = inspect.Signature.empty
    signature = inspect.signature(factory)
    bare = [parameter.replace(annotation=empty) for parameter in signature.parameters.values()]
    return f"{factory.__name__}{signature.replace(parameters=bare, return_annotation=empty)}"


def _instead(word: str) -> str:
    return f"; write {INSTEAD[word]}" if word in INSTEAD else ""


def _is(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other
