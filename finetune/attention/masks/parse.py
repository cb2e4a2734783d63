"""The parser of masks: `parse("causal() | prefix(4)")`.

    either   := both ("|" both)*
    both     := sum ("&" sum)*
    sum      := operand ("+" operand)*
    operand  := "~" operand | "(" either ")" | NAME "(" [argument ("," argument)*] ")"
    argument := [NAME "="] (NUMBER | NAME | STRING | either)

A NAME consists of letters, digits and underscores, and does not begin with a digit. Any other name is written as a
STRING, in double quotes as in JSON.
"""

import inspect
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from finetune.attention.masks.base import MAX_DEPTH, Mask
from finetune.attention.masks.errors import MaskArgumentError, MaskError, MaskSyntaxError, did_you_mean
from finetune.attention.masks.operators import And, Not, Or
from finetune.attention.masks.registry import Factory, find_mask, mask_names
from finetune.attention.masks.scored import ScoredMask
from finetune.attention.masks.text import NAME

TOKEN = re.compile(
    rf"""\s*(?:
        (?P<number> -?\d+(?:\.\d+)?(?:[eE][+-]?\d+)? )
      | (?P<name> {NAME} )
      | (?P<string> "(?:[^"\\]|\\.)*" )
      | (?P<symbol> \S )
    )""",
    re.VERBOSE | re.DOTALL,
)
INSTEAD = {"and": "&", "or": "|", "not": "~", "!": "~", "-": "& ~", "*": "&"}
"""Operators of other languages, and what error messages propose in their place."""


def parse(text: str) -> Mask:
    """Return the mask that a text describes; `parse(str(mask)) == mask` for every mask.

    Raises:
        MaskSyntaxError: The text cannot be read, names an unknown mask, gives a mask wrong arguments, or is nested
            more than `MAX_DEPTH` levels deep.
    """
    return _Parser(text).parse()


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
    """Recursive descent parser, with a method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        """The next token."""
        return self.tokens[self.next]

    def parse(self) -> Mask:
        """Read the whole text."""
        mask = self.either()
        if self.token.kind != "end":
            raise self.error(f"expected &, |, + or the end, {self.found()}")
        return mask

    def either(self) -> Mask:
        """Read masks joined by |."""
        return self.joined("|", self.both, Or.of)

    def both(self) -> Mask:
        """Read masks joined by &."""
        return self.joined("&", self.sum, And.of)

    def sum(self) -> Mask:
        """Read a mask and score terms joined by +."""
        return self.joined("+", self.operand, ScoredMask.of)

    def joined(self, symbol: str, rule: Callable[[], Mask], join: Callable[..., Mask]) -> Mask:
        """Read one or more masks by a rule of the grammar, with a symbol between them, and join them."""
        position = self.token.position
        members = [rule()]
        while self.taken(symbol):
            members.append(rule())
        return self.built(position, join, *members)

    def operand(self) -> Mask:
        """Read a mask in parentheses or a call, perhaps after some ~."""
        position = self.token.position
        is_negated = False
        while self.taken("~"):
            is_negated = not is_negated
        if self.taken("("):
            mask = self.nested()
            self.expect(")")
        elif self.token.kind == "name":
            mask = self.call()
        else:
            raise self.error(f"expected a mask, {self.found()}")
        return self.built(position, Not.of, mask) if is_negated else mask

    def nested(self) -> Mask:
        """Read a mask in parentheses, or as an argument."""
        if self.depth == MAX_DEPTH:
            raise self.error(f"the mask is nested too deeply: at most {MAX_DEPTH} levels are read")
        self.depth += 1
        mask = self.either()
        self.depth -= 1
        return mask

    def built(self, position: int, join: Callable[..., Mask], *members: Mask) -> Mask:
        """Return the members under an operator; a mask that is nested too deeply is shown at `position`."""
        try:
            return join(*members)
        except MaskError as error:
            raise self.error(str(error), position) from None

    def call(self) -> Mask:
        """Read the name of a mask and its arguments."""
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
        keywords: set[str | None] = set()
        while not self.taken(")"):
            if arguments and not self.taken(","):
                raise self.error(f"expected , or ) after an argument of {name.text}, {self.found()}")
            arguments.append(self.argument(keywords))
            keywords.add(arguments[-1].keyword)
        return self.build(name, factory, arguments)

    def argument(self, given: Collection[str | None]) -> _Argument:
        """Read an argument; `given` are the keywords of those before it."""
        start, keyword = self.token.position, None
        if self.token.kind == "name" and self.tokens[self.next + 1].text == "=":
            keyword = self.token.text
            if keyword in given:
                raise self.error(f"the argument {keyword} is given twice")
            self.next += 2
        return _Argument(self.value(), start, keyword)

    def value(self) -> object:
        """Read the value of an argument: a literal or a mask."""
        token, following = self.token, self.tokens[min(self.next + 1, len(self.tokens) - 1)]
        begins_mask = token.kind == "name" and following.text in ("(", "&", "|", "+")
        if token.kind in ("number", "name", "string") and not begins_mask:
            self.next += 1
            return self.literal(token)
        return self.nested()

    def literal(self, token: _Token) -> int | float | str:
        """Return the value of a number, a name or a string."""
        try:
            if token.kind == "number":
                return int(token.text) if token.text.lstrip("-").isdigit() else float(token.text)
            return str(json.loads(token.text, strict=False)) if token.kind == "string" else token.text
        except json.JSONDecodeError as error:
            problem = f"the string is not written as in JSON: {error.msg}"
            raise self.error(problem, token.position + error.pos) from None
        except ValueError:  # Python reads no number of more than 4300 digits
            raise self.error(f"a number of {len(token.text)} digits is too large", token.position) from None

    def build(self, name: _Token, factory: Factory, arguments: list[_Argument]) -> Mask:
        """Call the factory; an error is shown under the argument at fault, or under the name of the mask."""
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
        """Step over the next token if it is this symbol, and return whether it is."""
        if self.token.kind != "symbol" or self.token.text != symbol:
            return False
        self.next += 1
        return True

    def expect(self, symbol: str) -> None:
        """Step over the next token, which must be this symbol."""
        if not self.taken(symbol):
            raise self.error(f"expected {symbol}, {self.found()}")

    def found(self) -> str:
        """Return how an error message calls the next token."""
        return "the text ends" if self.token.kind == "end" else f"found {self.token.text!r}{_instead(self.token.text)}"

    def error(self, problem: str, position: int | None = None) -> MaskSyntaxError:
        """Return the error to raise, at the next token or at `position`."""
        return MaskSyntaxError(problem, self.text, self.token.position if position is None else position)


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
    return [*tokens, _Token("end", "", len(text))]


def _signature(factory: Factory) -> str:
    """Return the signature of a factory as an error message shows it: window(left, right=None)."""
    empty = inspect.Signature.empty
    signature = inspect.signature(factory)
    bare = [parameter.replace(annotation=empty) for parameter in signature.parameters.values()]
    return f"{factory.__name__}{signature.replace(parameters=bare, return_annotation=empty)}"


def _instead(word: str) -> str:
    return f"; write {INSTEAD[word]}" if word in INSTEAD else ""


def _is(value: object, other: object) -> bool:
    """Return whether an argument is the one at fault; True and 1 are equal, but not of the same type."""
    return type(value) is type(other) and value == other
