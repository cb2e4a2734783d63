"""Translation memories: TMX 1.4, and XLIFF 1.2 and 2.

The formats are defined in https://www.gala-global.org/tmx-14b,
https://docs.oasis-open.org/xliff/v1.2/os/xliff-core.html and
https://docs.oasis-open.org/xliff/xliff-core/v2.0/xliff-core-v2.0.html. Expat limits how far entities that a file
declares may grow, and no file or address that a document names is opened.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from finetune.data.fields import Field, asked_columns
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import TextSource, open_bytes, translated_errors
from finetune.data.messages import plural, shorten_list
from finetune.data.rows import ColumnValues, Rows
from finetune.errors import UserError
from finetune.recipe import Data

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = ("bpt", "ept", "it", "ph", "ut", "bx", "ex", "x", "sub")
"""Elements that hold markup of the document that a segment comes from, and no text of the segment."""

_UNTRANSLATED = ("new", "initial", "needs-translation")
"""States of a target in XLIFF that is not translated yet."""

TranslationUnit = Mapping[str, str]
"""The text in each language, by the language's code as the file writes it."""


def read_memory(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the units of a translation memory that have a text in each language that fields ask for.

    Columns are named by languages: the column `en` holds the text in `en`, or else in `en-US` or another region.

    Raises:
        UserError: The file is not of its format, or no unit has a text in every one of the languages.
    """
    path = source.paths[0]
    units = list(translation_units(path, source.format))
    columns = asked_columns(fields)
    found = list(dict.fromkeys(language for unit in units for language in unit))
    rows = [[_in_language(unit, column) for column in columns] for unit in units]
    kept = [index for index, row in enumerate(rows) if None not in row]
    if not kept:
        raise UserError(
            f"no unit has a text in each of {', '.join(columns)}",
            where=str(path),
            expected="languages of the file as task.source and task.target, or data.columns.source and .target",
            found=f"{plural(len(units), 'unit')} in " + (shorten_list(found) or "no language"),
        )
    values: dict[str, ColumnValues] = {column: [rows[index][at] for index in kept] for at, column in enumerate(columns)}
    return Rows(str(path), values, numbers=kept, notes=_notes(path, columns, found, len(units) - len(kept)))


def _notes(path: Path, columns: Sequence[str], found: Sequence[str], skipped: int) -> tuple[str, ...]:
    languages = [
        f"{column} is {', '.join(sorted(same))}"
        for column in columns
        if (same := {language for language in found if _is_of(language, column)}) != {column}
    ]
    notes = [f"{path}: {'; '.join(languages)}"] if languages else []
    if skipped:
        notes.append(f"{path}: {plural(skipped, 'unit')} without a text in each of {', '.join(columns)} left out")
    return tuple(notes)


def _in_language(unit: TranslationUnit, column: str) -> str | None:
    """Return the text in a language: that with exactly this code, or else the first of one of its regions."""
    exact = [text for language, text in unit.items() if language.lower() == column.lower()]
    return next(iter([*exact, *(text for language, text in unit.items() if _is_of(language, column))]), None)


def _is_of(language: str, column: str) -> bool:
    language, column = language.lower().replace("_", "-"), column.lower().replace("_", "-")
    return language == column or language.startswith(f"{column}-")


def translation_units(path: Path, format_: str) -> Iterator[TranslationUnit]:
    """Return the units of a file, one after another.

    Raises:
        UserError: The file cannot be read, or is not XML.
    """
    read: Callable[[Path], Iterator[TranslationUnit]] = _tmx if format_ == "tmx" else _xliff
    try:
        with translated_errors(TextSource(path)):
            yield from read(path)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise UserError(
            f"the file is no {format_}", where=f"{path}, line {line}, column {column + 1}", found=str(error)
        ) from None


def _events(path: Path, *names: str) -> Iterator[tuple[str, Element]]:
    """Return the elements of these names when they begin and when they end.

    An element is emptied after its end, so that a file of any size is never in memory.
    """
    with open_bytes(path) as file:
        for event, element in ElementTree.iterparse(file, events=("start", "end")):
            if _name(element) in names:
                yield event, element
                if event == "end":
                    element.clear()


def _tmx(path: Path) -> Iterator[TranslationUnit]:
    """Return the units of TMX, with the languages that have a text."""
    for event, unit in _events(path, "tu"):
        if event == "end":
            variants = {
                str(variant.get(_LANGUAGE) or variant.get("lang") or ""): _text(segment)
                for variant in unit
                if _name(variant) == "tuv" and (segment := _child(variant, "seg")) is not None
            }
            yield {language: text for language, text in variants.items() if language and text.strip()}


def _xliff(path: Path) -> Iterator[TranslationUnit]:
    """Return the units of XLIFF: trans-units in version 1.2, segments in version 2.

    Attributes of the elements around a unit name its languages.
    """
    languages = {"source": "", "target": ""}
    for event, element in _events(path, "xliff", "file", "trans-unit", "segment"):
        if event == "start":
            for role, names in (("source", ("source-language", "srcLang")), ("target", ("target-language", "trgLang"))):
                given = element.get(names[0]) or element.get(names[1])
                languages[role] = given or languages[role]
        elif _name(element) in ("trans-unit", "segment"):
            texts = {languages[role]: _child(element, role) for role in languages}
            yield {
                language: text
                for language, found in texts.items()
                if language and found is not None and _is_translated(element, found) and (text := _text(found)).strip()
            }


def _is_translated(unit: Element, text: Element) -> bool:
    """Return whether a text is a source, or a target that is translated and no copy of the source that waits for it."""
    return text.get("state", unit.get("state", "")) not in _UNTRANSLATED or _name(text) != "target"


def _child(element: Element, name: str) -> Element | None:
    return next((child for child in element if _name(child) == name), None)


def _name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _text(element: Element) -> str:
    """Return the text of a segment without the markup in it."""
    inner = ((_text(child) if _name(child) not in _CODES else "") + (child.tail or "") for child in element)
    return (element.text or "") + "".join(inner)
