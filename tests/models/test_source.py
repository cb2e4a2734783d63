from pathlib import Path

import pytest

from finetune import recipe
from finetune.errors import UserError
from finetune.models.source import model_source, tokenizer_source


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/model", "~/nowhere"])
def test_a_folder_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        model_source(recipe.Model(name=name))
    with pytest.raises(UserError, match=r"model\.tokenizer"):
        tokenizer_source(recipe.Model(name="owner/name", tokenizer=name))


def test_a_file_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.safetensors").touch()
    with pytest.raises(UserError, match="there is no folder"):
        model_source(recipe.Model(name="model.safetensors"))


def test_a_folder_without_a_model_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(UserError, match="holds no model") as error:
        model_source(recipe.Model(name=str(tmp_path)))
    assert error.value.found == "recipe.yaml"


def test_a_model_one_folder_down_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    with pytest.raises(UserError, match="did you mean") as error:
        model_source(recipe.Model(name=str(tmp_path)))
    assert str(tmp_path / "model") in str(error.value.fix)


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config.json").touch()
    assert model_source(recipe.Model(name="~")).path == str(tmp_path)


def test_the_tokenizer_is_the_models_own_or_another() -> None:
    own = tokenizer_source(recipe.Model(name="owner/name", revision="v2"))
    assert (own.path, own.key, own.revision) == ("owner/name", "model.name", "v2")
    other = tokenizer_source(recipe.Model(name="owner/name", revision="v2", tokenizer="owner/other"))
    assert (other.path, other.key, other.revision) == ("owner/other", "model.tokenizer", "main")


def test_code_of_a_model_is_never_run() -> None:
    assert model_source(recipe.Model(name="owner/name")).options["trust_remote_code"] is False
