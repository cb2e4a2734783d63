from typing import Any

import pytest
from pydantic import ValidationError

from finetune.recipe import Training


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"optimizer": "schedule_free"}, "takes schedule=constant, found linear"),
        ({"optimizer": "schedule_free", "schedule": "constant", "ema": 0.9}, "set ema=0"),
        ({"cpu_tuning": False, "fp32_matmul": "onednn"}, "cpu_tuning=false takes fp32_matmul=auto or default"),
        ({"class_weights": {"spam": 0}}, "the weight of 'spam' is 0, expected a number above 0"),
        ({"class_weights": {"spam": 10**400}}, r"at most 1e\+12"),
        ({"class_weights": "even"}, "expected balanced, or a weight for each class"),
        ({"layer_decay": 1.5}, "a number above 0, at most 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Training.model_validate(keys)


def test_class_weights_are_kept_by_the_names_of_classes() -> None:
    assert Training.model_validate({"class_weights": {1: 2}}).class_weights == {"1": 2.0}
    assert Training(class_weights="balanced").class_weights == "balanced"
