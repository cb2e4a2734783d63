"""What `finetune help KEY` says: a key or a section of a recipe, explained."""

import shlex
import textwrap
from collections.abc import Iterator, Sequence

from pydantic_core import PydanticUndefined

from finetune.compose.descriptions import choices_of, description_of, first_sentence, is_kind_of_task
from finetune.compose.examples import FILTER_RULES, FILTERS, example_of
from finetune.compose.finding import recipe_names
from finetune.compose.recipe_keys import RecipeKey, find_keys, own_sections, recipe_keys
from finetune.compose.type_words import describe
from finetune.compose.unknown_keys import unknown_key
from finetune.compose.yaml_values import written
from finetune.errors import UserError
from finetune.recipe import Recipe, TaskSection, task_kinds

_WIDTH = 100
_RECIPE = (
    "recipe=NAME names the recipe that a command takes: one of {names}; a path to a .py or .yaml file; the "
    "recipe.yaml of a run; or a module, package.module. Without it, `finetune run` takes sentiment_sample. A YAML file "
    "may begin with `recipe: NAME`, and then holds only the keys that differ from that recipe's."
)


def explain_keys(name: str | None = None, commands: Sequence[str] = ()) -> str:
    """Return the explanation of a key or a section of a recipe, or of all sections.

    Args:
        name: The dotted name of a key; None lists the sections.
        commands: Names of commands, which explain themselves.

    Raises:
        UserError: There is no such key; the message says what may be meant.
    """
    if name is None:
        return "\n".join(_overview())
    name = name.lstrip("-").partition("=")[0].rstrip(".")
    if name == "recipe":
        return _wrapped(_RECIPE.format(names=", ".join(recipe_names())), "")
    found = find_keys(name)
    command = [f"finetune {name} --help explains the command of that name."] if name in commands else []
    if not found and not command:
        raise _unknown(name)
    is_section = bool(found) and bool(own_sections(found[0].field.annotation))
    lines = list(_section(found[0]) if is_section else _key(found))
    return "\n".join([*lines, *([""] if lines and command else []), *command])


def example_word(key: RecipeKey) -> str:
    """Return an example of a key as a word of a command line."""
    outer, inside, inner = key.name.partition("data.sources.")
    if inside and not outer:
        value = example_of(key)
        for part in reversed(inner.split(".")):
            value = {part: value}
        return quoted(f"data.sources={written([{'path': 'a.csv', **value}])}")
    return quoted(f"{key.name}={written(example_of(key))}")


def quoted(word: str) -> str:
    """Return a word as a shell takes it, in double quotes where it holds single ones."""
    needs_double = "'" in word and not any(character in word for character in '"$`\\')
    return f'"{word}"' if needs_double else shlex.quote(word)


def type_in_words(key: RecipeKey) -> str:
    """Return the values that a key takes, in words."""
    return f"one of {', '.join(map(repr, task_kinds()))}" if is_kind_of_task(key) else describe(key.annotation)


def default_of(key: RecipeKey) -> str:
    """Return the default of a key, as YAML has it; an empty text where a value must be given."""
    default = key.field.get_default(call_default_factory=True)
    is_open = default is PydanticUndefined or is_kind_of_task(key)
    return "" if is_open else written(_plain(default))


def kinds_of(key: RecipeKey) -> str:
    """Return the kind of task that a key belongs to; an empty text for keys of every recipe."""
    is_of_one = issubclass(key.section, TaskSection) and not is_kind_of_task(key)
    return str(key.section.model_fields["kind"].default) if is_of_one else ""


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, dict | list | str | int | float | bool | None) else str(value)


def _unknown(name: str) -> UserError:
    """Return the error for a name that is no key, with the help for the key that may be meant."""
    error = unknown_key(name)
    words = (error.fix or "").removeprefix("write ").removeprefix("did you mean ").rstrip("?")
    meant = [word.partition("=")[0] for word in words.split(" or ")]
    known = [word for word in meant if find_keys(word)]
    fix = " or ".join(f"finetune help {word}" for word in known) or error.fix
    return UserError(error.problem, fix=fix)


def _overview() -> Iterator[str]:
    """Yield the lines that list the sections, and the keys outside of them."""
    yield "Keys of a recipe are given as key=value: finetune run recipe=sst2 training.epochs=1"
    keys = [RecipeKey(name, Recipe, field) for name, field in Recipe.model_fields.items()]
    sections = [key for key in keys if own_sections(key.field.annotation)]
    yield from ("", "Sections (finetune help SECTION lists the keys of one):")
    yield from _table(sections)
    yield from (
        "",
        "Keys outside of sections (finetune help KEY explains one):",
        "  recipe      The recipe to start from.",
    )
    yield from _table([key for key in keys if key not in sections])


def _table(keys: Sequence[RecipeKey], prefix: str = "") -> Iterator[str]:
    """Yield a line for each key: its name, and the first sentence of its docstring."""
    names = [key.name.removeprefix(prefix) for key in keys]
    width = max(map(len, names), default=0) + 2
    for name, key in zip(names, keys, strict=True):
        text = first_sentence(description_of(key)) or "The kind of the section."
        yield textwrap.fill(text, _WIDTH, initial_indent=f"  {name:{width}}", subsequent_indent=" " * (width + 2))


def _section(key: RecipeKey) -> Iterator[str]:
    """Yield the lines that explain a section: what it is, and its keys."""
    yield key.name
    yield _wrapped(description_of(key), "  ")
    for section in own_sections(key.field.annotation):
        keys = [one for one in recipe_keys(section, f"{key.name}.") if one.name.count(".") == key.name.count(".") + 1]
        kind = section.model_fields["kind"].default if issubclass(section, TaskSection) else ""
        yield from ("", f"Keys of {key.name}{f', with {key.name}.kind={kind}' if kind else ''}:")
        yield from _table(keys, f"{key.name}.")
    yield from ("", f"finetune help {keys[-1].name} explains one of them.")


def _key(found: Sequence[RecipeKey]) -> Iterator[str]:
    """Yield the lines that explain a key, for each kind of task where they differ."""
    explained: dict[tuple[str, ...], list[str]] = {}
    for key in found:
        explained.setdefault(tuple(_facts(key)), []).append(kinds_of(key))
    for number, (lines, kinds) in enumerate(explained.items()):
        if number:
            yield ""
        only = ", ".join(filter(None, kinds))
        yield f"{found[0].name} ({only})" if only else found[0].name
        yield from lines
    if any(key.name in ("data.filter", "data.sources.filter") for key in found):
        yield from _filters()


def _facts(key: RecipeKey) -> Iterator[str]:
    yield _wrapped(description_of(key), "  ")
    yield ""
    facts = {"type": type_in_words(key), "default": default_of(key) or "none: a value must be given"}
    if named := choices_of(key):
        facts["choices"] = named
    facts["example"] = f"finetune run recipe=NAME {example_word(key)}"
    for name, text in facts.items():
        yield f"  {name + ':':9} {text}"


def _filters() -> Iterator[str]:
    """Yield the lines that show how a filter is written."""
    yield ""
    yield _wrapped(FILTER_RULES, "  ")
    for text, kept in FILTERS.items():
        yield from ("", f"  {quoted(f'data.filter={text}')}", _wrapped(kept, "      "))


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
