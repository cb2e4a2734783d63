import pytest
from pydantic import ValidationError

from finetune.recipe import Hub


@pytest.mark.parametrize("name", ["user/model", "my-team/bert_base.v2", None])
def test_the_name_of_a_repository(name: str | None) -> None:
    assert Hub(push=name).push == name


@pytest.mark.parametrize("name", ["model", "a/b/c", "user/", "/model", "user/my model", "../model", ""])
def test_what_names_no_repository_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not the name of a repository; write user/name"):
        Hub(push=name)
