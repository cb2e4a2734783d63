import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention import Program, ProgramError, Site, parse
from finetune.attention.masks import Mask, causal, full, per_head, prefix, window
from finetune.attention.program import SITES, SiteName
from tests.attention.expressions import NUM_HEADS, Example, examples, masks

layer_keys = st.sampled_from(["0", "1-2", "3-3", "-1", "-2--2", "4-11/3", "5--1/2"])
sites = st.builds(Site, masks, st.dictionaries(layer_keys, masks).map(lambda layers: tuple(layers.items())))


@settings(deadline=None, max_examples=60)
@given(encoder=sites, decoder=sites, cross=sites, bidirectional=st.booleans())
def test_config_reads_back_to_an_equal_program(encoder: Site, decoder: Site, cross: Site, bidirectional: bool) -> None:
    program = Program(encoder, Site(decoder.mask, decoder.layers, bidirectional), cross)
    stored = json.loads(json.dumps(program.to_config()))
    assert Program.from_config(stored) == program
    assert hash(Program.from_config(stored)) == hash(program)


def test_missing_and_null_sites_are_standard() -> None:
    assert Program.from_config({}) == Program.from_config({"encoder": None, "cross": "full()"}) == Program()
    assert Program().is_standard
    assert Program().to_config() == {"encoder": "full()", "decoder": "causal()", "cross": "full()"}


@pytest.mark.parametrize(
    "config",
    [
        {"decoder": "full()"},
        {"decoder": {"mask": "causal()", "layers": {"0": "full()"}}},
        {"encoder": {"layers": {"0-1": "full()"}}},
        {"decoder": "per_head(full(), causal())"},
    ],
)
def test_programs_that_change_nothing_are_standard(config: dict[str, object]) -> None:
    assert Program.from_config(config).is_standard


@pytest.mark.parametrize(
    ("config", "site"),
    [
        ({"encoder": "causal()"}, "encoder"),
        ({"encoder": {"mask": "full()", "layers": {"-1": "window(3)"}}}, "encoder"),
        ({"decoder": "window(3)"}, "decoder"),
        ({"decoder": "causal() | prefix(2)"}, "decoder"),
        ({"decoder": {"mask": "full()", "bidirectional": True}}, "decoder"),
        ({"cross": "window(3)"}, "cross"),
    ],
)
def test_a_site_that_differs_is_known(config: dict[str, object], site: SiteName) -> None:
    program = Program.from_config(config)
    assert not program.is_standard
    assert [name for name in SITES if not program.is_standard_at(name)] == [site]


def test_layers() -> None:
    layers = {"0-1": "window(1)", 3: "window(2)", "-3--2": "window(3)", "2, -1": "window(4)"}
    program = Program.from_config({"encoder": {"mask": "causal()", "layers": layers}})
    assert [str(mask) for mask in program.by_layer("encoder", 8)] == [
        "window(1)",
        "window(1)",
        "window(4)",
        "window(2)",
        "causal()",
        "window(3)",
        "window(3)",
        "window(4)",
    ]
    assert program.for_layer("encoder", 7, 8) == window(4)


def test_every_third_layer() -> None:
    config = {"encoder": {"mask": "window(1)", "layers": {"0-11/3": "full()", "1-11/3, 2": "causal()"}}}
    program = Program.from_config(config)
    by_layer = [str(mask) for mask in program.by_layer("encoder", 12)]
    assert by_layer == ["full()", "causal()", "causal()", *["full()", "causal()", "window(1)"] * 3]
    assert program.to_config()["encoder"] == config["encoder"]


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        (
            {"0-5/3": "full()", "3-4": "full()"},
            r"encoder\.layers: layer 3 is named twice: by '0-5/3' and by '3-4'",
        ),
        ({"0-6/2": "full()"}, r"encoder\.layers: '0-6/2' names layer 6, but there are 6 layers"),
        ({"0-3": "full()", "3-4": "full()"}, r"encoder\.layers: layer 3 is named twice: by '0-3' and by '3-4'"),
        ({"5": "full()", "-1": "full()"}, "layer 5 is named twice: by '5' and by '-1'"),
        ({"6": "full()"}, "'6' names layer 6, but there are 6 layers, counted from 0"),
        ({"-7": "full()"}, "'-7' names layer -7, but there are 6 layers"),
        ({"3-1": "full()"}, "'3-1' names no layer: 3 comes after 1"),
        ({"-1-2": "full()"}, "'-1-2' names no layer: 5 comes after 2"),
    ],
)
def test_layers_that_do_not_fit_the_model(layers: dict[str, str], problem: str) -> None:
    program = Program.from_config({"encoder": {"mask": "full()", "layers": layers}})
    with pytest.raises(ProgramError, match=problem):
        program.by_layer("encoder", 6)


def test_a_layer_that_the_model_does_not_have() -> None:
    with pytest.raises(ProgramError, match="encoder has 6 layers, there is no layer 6"):
        Program().for_layer("encoder", 6, 6)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"encodr": "full()"},
            "attention: there is no key 'encodr', only encoder, decoder, cross; did you mean 'encoder'",
        ),
        (
            {"encoder": {"maks": "full()"}},
            "encoder: there is no key 'maks', only mask, layers, bidirectional; did you mean",
        ),
        ({"encoder": 3}, "encoder: expected the text of a mask, found 3"),
        ({"encoder": {"mask": 3}}, r"encoder\.mask: expected the text of a mask, found 3"),
        ({"encoder": "widnow(3)"}, "encoder: there is no mask named 'widnow'; did you mean 'window'"),
        (
            {"encoder": {"layers": {"0": "full("}}},
            r"encoder\.layers\[0\]: expected , or \)|encoder\.layers\[0\]: expected",
        ),
        ({"encoder": {"layers": ["full()"]}}, r"encoder\.layers: expected a mapping"),
        ({"encoder": {"layers": {"first": "full()"}}}, r"encoder\.layers: 'first' does not name layers; write 3, 0-3"),
        ({"encoder": {"layers": {"0-3/0": "full()"}}}, r"encoder\.layers: '0-3/0' has a step of 0"),
        ({"encoder": {"layers": {True: "full()"}}}, r"encoder\.layers: expected layers such as 0-3 or -1, found True"),
        ({"decoder": {"bidirectional": "yes"}}, r"decoder\.bidirectional: expected true or false, found 'yes'"),
        ({"encoder": {"bidirectional": True}}, r"encoder\.bidirectional: only the decoder's masks are made causal"),
    ],
)
def test_configs_that_cannot_be_read(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProgramError, match=problem):
        Program.from_config(config)


def in_force(text: str) -> Mask:
    return Program.from_config({"decoder": text}).for_layer("decoder", 0, 1)


def test_the_decoder_is_also_causal() -> None:
    assert in_force("full()") == causal()
    assert in_force("window(3)") == causal() & window(3)
    assert in_force("window(3) | global_tokens(0)") == causal() & parse("window(3) | global_tokens(0)")


def test_a_mask_that_names_causal_is_taken_as_it_stands() -> None:
    assert in_force("causal() | prefix(2)") == causal() | prefix(2)
    assert in_force("window(3) & (causal() | prefix(2))") == window(3) & (causal() | prefix(2))
    assert in_force("~causal()") == ~causal()


def test_one_head_that_names_causal_does_not_speak_for_the_others() -> None:
    assert in_force("per_head(causal() | prefix(2), window(3))") == per_head(causal() | prefix(2), causal() & window(3))
    mixed = "per_head(causal() | prefix(2), window(3)) | prefix(1)"
    assert in_force(mixed) == causal() & parse(mixed)


def test_a_bidirectional_decoder_is_not_made_causal() -> None:
    program = Program.from_config({"decoder": {"mask": "window(3)", "layers": {"0": "full()"}, "bidirectional": True}})
    assert program.by_layer("decoder", 2) == (full(), window(3))


def test_the_layers_to_which_causal_was_added_are_known() -> None:
    layers = {"0": "causal() & window(2)", "1": "full()"}
    program = Program.from_config({"encoder": "window(2)", "decoder": {"mask": "window(3)", "layers": layers}})
    assert program.written_by_layer("decoder", 3) == (causal() & window(2), full(), window(3))
    assert program.adds_causal("decoder", 3) == (False, True, True)
    assert program.adds_causal("encoder", 3) == program.adds_causal("cross", 3) == (False, False, False)
    assert Program(decoder=Site(full(), bidirectional=True)).adds_causal("decoder", 1) == (False,)
    assert Program().adds_causal("decoder", 2) == (False, False)
    with pytest.raises(ProgramError, match=r"decoder\.layers: '1' names layer 1"):
        program.adds_causal("decoder", 1)


@settings(deadline=None, max_examples=60)
@given(mask=masks, example=examples())
def test_no_decoder_sees_the_future_that_does_not_name_causal(mask: Mask, example: Example) -> None:
    if "causal()" in str(mask):
        return
    in_decoder = Program(decoder=Site(mask)).for_layer("decoder", 0, 1)
    written = mask.dense(**example.arguments)
    effective = in_decoder.dense(**example.arguments)
    assert (effective == (written & causal().dense(example.query_length, example.keys, NUM_HEADS))).all()


@pytest.mark.parametrize("layers", ["9" * 5000, f"0-{'9' * 5000}", f"-{'9' * 5000}"])
def test_numbers_of_layers_that_python_does_not_read_are_refused(layers: str) -> None:
    with pytest.raises(ProgramError, match="does not name layers"):
        Program.from_config({"encoder": {"layers": {layers: "full()"}}})
    with pytest.raises(ProgramError, match="does not name layers"):
        Site(full(), ((layers, causal()),)).by_layer(4)
