"""How messages name the options that say how a file is written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OptionNames:
    """Names of the options `encoding`, `format` and `delimiter`, as the user would write them.

    Training takes these options from the recipe (`data.encoding=latin-1`), prediction from the command line
    (`--encoding latin-1`).

    Args:
        prefix: The text before an option's name.
        separator: The text between an option's name and its value.
    """

    prefix: str
    separator: str

    def name(self, option: str) -> str:
        """Return an option's full name: `data.encoding`."""
        return self.prefix + option

    def assign(self, option: str, value: str) -> str:
        """Return the words that give an option a value: `data.encoding=latin-1`."""
        return f"{self.prefix}{option}{self.separator}{value}"


RECIPE_KEYS = OptionNames("data.", "=")
COMMAND_OPTIONS = OptionNames("--", " ")
