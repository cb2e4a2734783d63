"""The registry of architectures, and architectures that installed packages provide."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import GPT2Config, PreTrainedModel, RobertaPreLayerNormConfig, RobertaPreLayerNormModel

from finetune.attention.pretrained import (
    KNOWN_FAMILIES,
    Family,
    PretrainedError,
    apply_masks,
    families,
    find_family,
    like_bert,
    register_family,
    supported,
    unregister_family,
)
from tests.attention.pretrained.tiny import BERT
from tests.packages import Brings
from tests.packages import brings as brings

GROUP = "finetune.families"

PRE_NORM = like_bert("RoBERTa-PreLayerNorm", "RobertaPreLayerNorm", "roberta-prelayernorm")
NO_FAMILY = object()
WRONG_TYPE = Family("Wrong", ("another",))
CLAIMS_BERT = Family("Impostor", ("impostor", "bert"))


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    yield
    for family in set(families()) - set(KNOWN_FAMILIES):
        unregister_family(family)


def pre_norm() -> PreTrainedModel:
    torch.manual_seed(0)
    options: dict[str, Any] = dict(BERT)
    return RobertaPreLayerNormModel(RobertaPreLayerNormConfig(**options)).eval()  # type: ignore[no-any-return,no-untyped-call]


def test_every_known_family_is_found_by_its_types() -> None:
    for family in KNOWN_FAMILIES:
        assert all(find_family(model_type) == family for model_type in family.model_types)
    assert find_family("gpt2") is None
    assert "ERNIE, ModernBERT" in supported()
    assert "DeBERTa" not in supported()


def test_one_record_makes_an_architecture_take_masks() -> None:
    with pytest.raises(PretrainedError, match="RobertaPreLayerNormModel cannot take masks"):
        apply_masks(pre_norm(), {"encoder": "causal()"})
    register_family(PRE_NORM)
    register_family(PRE_NORM)
    ids = torch.arange(5, 12)[None]
    model = apply_masks(pre_norm(), {"encoder": "causal()"})
    whole, start = model(ids).last_hidden_state, model(ids[:, :4]).last_hidden_state
    torch.testing.assert_close(whole[:, :4], start, atol=1e-5, rtol=1e-5)


def test_a_package_brings_a_family(brings: Brings) -> None:
    brings("more-models", GROUP, **{"roberta-prelayernorm": f"{__name__}:PRE_NORM"})
    apply_masks(pre_norm(), {"encoder": "causal()"})
    assert find_family("roberta-prelayernorm") == PRE_NORM
    assert PRE_NORM in families()


def test_a_claim_to_what_another_family_has_is_refused() -> None:
    with pytest.raises(PretrainedError, match="'Impostor' claims 'bert', which belongs to the family 'BERT'"):
        register_family(CLAIMS_BERT)
    with pytest.raises(PretrainedError, match="claims 'T5Stack'"):
        register_family(Family("Other", ("other",), stack="T5Stack"))


@pytest.mark.parametrize(
    ("model_type", "value", "problem"),
    [
        ("broken", "no_such_module:FAMILY", "comes from the package more-models, .* ModuleNotFoundError"),
        ("none", f"{__name__}:NO_FAMILY", "of the package more-models must be a Family with this model_type"),
        ("wrong", f"{__name__}:WRONG_TYPE", "of the package more-models must be a Family with this model_type"),
        ("impostor", f"{__name__}:CLAIMS_BERT", "claims 'bert'.*; it comes from the package more-models"),
        ("bert", f"{__name__}:CLAIMS_BERT", "claims 'bert'.*; it comes from the package more-models"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(brings: Brings, model_type: str, value: str, problem: str) -> None:
    brings("more-models", GROUP, **{model_type: value})
    with pytest.raises(PretrainedError, match=problem):
        find_family(model_type)


def test_two_packages_with_one_name_are_refused(brings: Brings) -> None:
    for package in ("one", "two"):
        brings(package, GROUP, **{"roberta-prelayernorm": f"{__name__}:PRE_NORM"})
    with pytest.raises(PretrainedError, match=r"several packages .*: one, two; uninstall all but one"):
        find_family("roberta-prelayernorm")


def test_the_package_is_told_where_a_run_loads_the_model(brings: Brings) -> None:
    from finetune.errors import UserError
    from finetune.models import family

    brings("more-models", GROUP, gpt2="no_such_module:FAMILY")
    with pytest.raises(UserError, match="comes from the package more-models"):
        family(GPT2Config())
