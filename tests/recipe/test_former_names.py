import pytest

from finetune import recipe


@pytest.mark.parametrize(
    ("former", "present"), [("Columns", "ColumnNames"), ("Source", "MixtureSource"), ("Splits", "SplitNames")]
)
def test_a_recipe_may_import_sections_by_their_former_names(former: str, present: str) -> None:
    with pytest.warns(DeprecationWarning, match=present):
        assert getattr(recipe, former) is getattr(recipe, present)


def test_other_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="Colums"):
        _ = recipe.Colums
