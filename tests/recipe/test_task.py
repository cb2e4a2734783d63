import pytest
from pydantic import ValidationError

from finetune.recipe import TextClassification, TextToText, TokenClassification, Translation


def test_translation_is_text_to_text_with_languages() -> None:
    section = Translation(source="fr", target="en")
    assert isinstance(section, TextToText)
    assert (section.kind, section.head, section.input_length) == ("translation", TextToText.head, "max_source_length")


def test_numbers_of_tasks_have_ranges() -> None:
    with pytest.raises(ValidationError, match="a whole number from 1 to 1,000"):
        TextToText(num_beams=10**6)
    with pytest.raises(ValidationError, match="a number from -100 to 100"):
        TextToText(length_penalty=1e300)
    with pytest.raises(ValidationError, match="a number above 0 and below 1"):
        TextClassification(threshold=1.0)
    assert TokenClassification(stride=0).stride == 0
