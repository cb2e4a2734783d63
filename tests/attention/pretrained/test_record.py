"""The requests for masks in a model's calls are recorded while the context is open."""

import pytest

from finetune.attention.pretrained import apply_masks, layers_of, recorded_requests
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import LAYERS, batch, build


def test_every_call_of_a_stack_is_recorded_until_the_context_ends() -> None:
    name = "T5ForConditionalGeneration"
    model = apply_masks(build(name), {"cross": "window(1)"})
    with recorded_requests(model) as requests:
        model(**batch(name))
    assert [request.site for request in requests] == ["encoder", "decoder", "cross"]
    model(**batch(name))
    assert len(requests) == 3


def test_an_error_within_leaves_no_hook_behind() -> None:
    model = apply_masks(build("BertModel"), Program())
    hooks = dict(model._forward_pre_hooks)
    with pytest.raises(KeyError), recorded_requests(model):
        raise KeyError
    assert dict(model._forward_pre_hooks) == hooks


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ("window(1)", {0: list(range(LAYERS))}),
        ({"mask": "window(1)", "layers": {"-1": "full()"}}, {0: [0], 1: [1]}),
        ({"mask": "window(1)", "layers": {"0": "full()"}}, {0: [0], 1: [1]}),
    ],
)
def test_layers_are_those_that_obey_each_mask(masks: object, expected: dict[int, list[int]]) -> None:
    model = apply_masks(build("BertModel"), {"encoder": masks})
    with recorded_requests(model) as (requests):
        model(**batch("BertModel"))
    (request,) = requests
    assert layers_of(model, request) == expected
    by_layer = Program.from_config({"encoder": masks}).by_layer("encoder", LAYERS)
    for number, layers in expected.items():
        assert all(by_layer[layer] == request.masks[number] for layer in layers)
