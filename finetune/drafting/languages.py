"""The script of texts, and their language where the script or frequent words show it.

The evidence is simple: Unicode's names of letters, and a few of the most frequent words of ten languages that are
written in Latin letters. Where it does not suffice, the language is unknown.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_MOST_TEXTS = 500
_MOST_LETTERS = 50_000
_LONGEST_TEXT = 1000
_SCRIPTS = {
    "CJK": "Han",
    "HIRAGANA": "Kana",
    "KATAKANA": "Kana",
    "HANGUL": "Hangul",
    "LATIN": "Latin",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
    "THAI": "Thai",
    "DEVANAGARI": "Devanagari",
}
"""Scripts by the first word of the Unicode names of their letters."""
_OF_SCRIPT = {"Hangul": "ko", "Greek": "el", "Hebrew": "he", "Thai": "th"}
"""Languages of scripts that nearly all texts in them share."""
_FREQUENT = {
    "en": "the of and to in is that for it with was on are this you not have be at by i my he she we can what how",
    "de": "der die und das ist nicht ein eine ich zu den mit von auf sich auch dem des im wird",
    "fr": "le les et des est une dans que qui pour pas du au sur je vous nous avec il un",
    "es": "el los las que una por con para es del se lo como pero su al más está muy un",
    "it": "il che di una per non sono con della del gli è nel alla più anche ho questo un si",
    "pt": "que não uma os para com é do da em por mais dos as no na eu você se um",
    "nl": "de het een van en is dat niet ik op te zijn voor met die je aan hij ook er",
    "sv": "och att det som en är på jag inte för av med den har ett till om var så de",
    "pl": "i w nie na się z że to jest do jak po co za o tak przez ale od czy",
    "tr": "ve bir bu için da de ne çok mi ama gibi daha ben var kadar olan ile o değil her",
    "ru": "и в не на что с я он это как по но к у из за то все так его",  # noqa: RUF001
    "uk": "і в не на що з я він це як до але та у із за є так його ми",  # noqa: RUF001
}
"""Frequent words by language, for Latin letters and for Cyrillic ones."""
_SCRIPT_OF = dict.fromkeys(_FREQUENT, "Latin") | {"ru": "Cyrillic", "uk": "Cyrillic"}
_LEAST_SHARE = 0.08
"""The least share of a text's words that are frequent ones of its language; about 0.3 are in running text."""
_FEWEST_WORDS = 3
_CLEAR = 1.4
"""How many times as many frequent words as in any other language there have to be."""
NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Names of languages by their ISO 639 codes."""
_CODE = re.compile(r"([a-z]{2})([-_][A-Za-z]{2,4})?")
_OTHER_CODES = {"cn": "zh", "jp": "ja", "cz": "cs", "gr": "el", "kr": "ko", "cmn": "zh", "deu": "de", "eng": "en"}
"""Codes that are written in place of ISO 639's, in names of files and columns."""
WITHOUT_SPACES = frozenset(["Han", "Kana", "Thai"])
"""Scripts that write no spaces between words."""


@dataclass(frozen=True)
class TextLanguage:
    """What is known of the language of texts.

    Args:
        script: The script of most letters; empty where there are no letters.
        code: The ISO 639 code of the language; None where it is unknown.
        is_lower: Whether the texts have hardly any capital letter, in a script that has them.
    """

    script: str
    code: str | None = None
    is_lower: bool = False

    @property
    def name(self) -> str:
        """The language in a sentence: English, or the script."""
        if self.code is not None:
            return NAMES.get(self.code, self.code)
        return f"a language in {self.script} letters" if self.script else "texts without letters"


def find_language(texts: Sequence[str]) -> TextLanguage:
    """Return the script of texts, and their language where it is clear; of long data, evenly spaced rows are read."""
    spaced = texts[:: max(1, len(texts) // _MOST_TEXTS)]
    joined = " ".join(text[:_LONGEST_TEXT] for text in spaced)[:_MOST_LETTERS]
    letters = [letter for letter in joined if letter.isalpha()]
    scripts = Counter(map(_script, letters))
    if not scripts:
        return TextLanguage("")
    script = max(scripts, key=lambda name: (scripts[name], name))
    if script in ("Han", "Kana"):
        is_japanese = scripts["Kana"] > 0.05 * len(letters)
        return TextLanguage("Kana" if is_japanese else "Han", "ja" if is_japanese else "zh")
    cased = [letter for letter in letters if letter.lower() != letter.upper()]
    is_lower = bool(cased) and sum(map(str.isupper, cased)) < 0.002 * len(cased)
    return TextLanguage(script, _OF_SCRIPT.get(script) or _by_words(joined, script), is_lower)


def _by_words(text: str, script: str) -> str | None:
    """Return the language with clearly more frequent words than the others; None where there is none."""
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    counts = {
        code: sum(words[word] for word in frequent.split())
        for code, frequent in _FREQUENT.items()
        if _SCRIPT_OF[code] == script
    }
    if not counts:
        return None
    first, second = sorted(counts, key=lambda code: -counts[code])[:2]
    is_clear = counts[first] >= _LEAST_SHARE * words.total() and counts[first] >= _CLEAR * counts[second]
    return first if counts[first] >= _FEWEST_WORDS and is_clear else None


@cache
def _script(letter: str) -> str:
    return _SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0], "other")


def language_code(name: str) -> str | None:
    """Return the ISO 639 code that a column or the end of a file's name is, without a region; None for other names."""
    lower = name.lower()
    if lower in _OTHER_CODES:
        return _OTHER_CODES[lower]
    match = _CODE.fullmatch(name)
    if match is not None and match[1] in NAMES:
        return match[1]
    return next((code for code, language in NAMES.items() if language.lower() == lower), None)


def count_words(text: str) -> int:
    """Return the number of words of a text, each character of scripts without spaces counted as one."""
    if text.isascii():
        return len(text.split())
    characters = sum(letter.isalpha() and _script(letter) in WITHOUT_SPACES for letter in text)
    others = "".join(" " if letter.isalpha() and _script(letter) in WITHOUT_SPACES else letter for letter in text)
    return characters + len(others.split())


def mean(numbers: Sequence[float]) -> float:
    """Return the mean, 0 of no numbers."""
    return sum(numbers) / len(numbers) if numbers else 0.0
