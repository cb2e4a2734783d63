"""A damaged file in a finished run's folder is told in one message."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune import compose
from finetune.errors import UserError
from finetune.hub import card
from finetune.hub.run_facts import RunFacts
from tests.damage import damaged

ENVIRONMENT = '{"python": "3.11.7", "packages": {"torch": "2.13.0"}, "cpus": 2}'


@pytest.mark.parametrize("name", ["results.json", "environment.json", "recipe.yaml", "model/config.json"])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_a_card_or_one_message(
    name: str, data: st.DataObject, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "_stated", lambda *_: None)  # no questions to the Hub
    (run / "environment.json").write_text(ENVIRONMENT)
    whole = (run / name).read_bytes()
    try:
        (run / name).write_bytes(data.draw(damaged(whole)))
        with suppress(UserError):
            card.write_card(run)
    finally:
        (run / name).write_bytes(whole)
    card.write_card(run)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("results.json", '{"test": {"accuracy": "high"}}'),
        ("environment.json", '{"packages": []}'),
        ("model/config.json", "{"),
    ],
)
def test_the_message_says_where_and_what_to_do(run: Path, name: str, content: str) -> None:
    (run / name).write_text(content)
    with pytest.raises(UserError, match=r"cannot be read|is not JSON") as caught:
        RunFacts.read(run)
    assert caught.value.where == str(run / name)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("changes", "name", "languages"),
    [
        ({"data.name": None, "data.sample": "sentiment"}, "sentiment_sample", ("en",)),
        ({"data.name": None, "data.sample": "interface"}, "interface_sample", ()),
        ({"data.sources": [{"sample": "licence"}, {"path": "a_sample"}]}, "licence_sample, a_sample", ("en",)),
        ({"data.path": "mine.csv"}, "mine.csv", ()),
    ],
)
def test_samples_have_names_and_languages(
    run: Path, changes: dict[str, Any], name: str, languages: tuple[str, ...]
) -> None:
    recipe = compose.override(compose.load_recipe(str(run / "recipe.yaml")), changes)
    (run / "recipe.yaml").write_text(compose.to_yaml(recipe))
    facts = RunFacts.read(run)
    assert (facts.data_name, facts.sample_languages) == (name, languages)


def test_a_data_set_of_a_package_that_is_not_installed_has_its_own_name(run: Path) -> None:
    recipe = compose.override(
        compose.load_recipe(str(run / "recipe.yaml")), {"data.name": None, "data.sample": "licence"}
    )
    text = compose.to_yaml(recipe).replace("sample: licence", "sample: weather")
    (run / "recipe.yaml").write_text(text)
    facts = RunFacts.read(run)
    assert (facts.data_name, facts.sample_languages) == ("weather", ())
