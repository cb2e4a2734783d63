"""A recipe of a user's own, and the messages about words that make none."""

from collections.abc import Sequence

import pytest

from finetune import compose
from finetune.errors import UserError

MINE = '''"""My recipe.

More about it.
"""

from finetune.recipe import Data, Model, Recipe, TextClassification

recipe = Recipe(task=TextClassification(), model=Model(name="somewhere/bert"), data=Data(path="my.csv"))
'''


def message(words: Sequence[str]) -> str:
    with pytest.raises(UserError) as caught:
        compose.compose(words)
    return str(caught.value)
