import pytest
import torch

from finetune.attention import Program, ProgramError
from finetune.attention.drawing import Panel, mask_panels, program_panels, to_text
from finetune.attention.masks import causal, full, parse, window

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_mask_in_the_terminal() -> None:
    drawn = to_text(mask_panels(parse("window(1) | global_tokens(0)"), 4))
    assert drawn.splitlines() == [
        "window(1) | global_tokens(0)",
        "  0 1 2 3",
        "0 ████████",
        "1 ██████··",
        "2 ████████",
        "3 ██··████",
        "",
        "█ may attend   · may not",
    ]


def test_tokens_on_the_axes() -> None:
    drawn = to_text(mask_panels(causal(), 3), ["[CLS]", "an", "猫"]).splitlines()
    assert drawn[1:9] == [
        "      [",
        "      C",
        "      L",
        "      S a",
        "      ] n 猫",
        "[CLS] ██····",
        "   an ████··",
        "   猫 ██████",
    ]


def test_tokens_of_source_and_target() -> None:
    drawn = to_text(mask_panels(full(), 1, 2), ["t"], ["a", "b\n"]).splitlines()
    assert drawn[1:4] == ["    b", "  a", "t ████"]
    assert to_text(mask_panels(full(), 1, 2), ["t"]).splitlines()[1] == "  0 1"


def test_tokens_must_fit() -> None:
    with pytest.raises(ValueError, match="there are 3 queries, but 2 tokens"):
        to_text(mask_panels(causal(), 3), ["a", "b"])
    with pytest.raises(ValueError, match="there are 2 keys, but 1 tokens"):
        to_text(mask_panels(causal(), 3, 2), ["a", "b", "c"], ["a"])


def test_weights_are_shaded() -> None:
    drawn = to_text([Panel("head 0", torch.tensor([[0.0, 0.01, 0.3, 0.6, 1.0]]))])
    assert drawn.splitlines()[2] == "0 ··░░▒▒▓▓██"
    assert drawn.splitlines()[-1].startswith("weight:")


@pytest.mark.parametrize("length", [20, 40, 77, 300])
def test_a_drawing_fits_the_terminal(length: int) -> None:
    width = 60
    lines = to_text(mask_panels(window(9), length), width=width).splitlines()
    assert max(map(len, lines[1:])) <= width
    squeezed = [line for line in lines if line.startswith("(one cell is")]
    assert bool(squeezed) == (length > width - 4)


def test_neighbours_that_share_a_cell_show_their_mean() -> None:
    lines = to_text([Panel("", torch.eye(4).bool())], width=4).splitlines()
    assert lines[2:4] == ["0 ▒·", "2 ·▒"]


def test_heads_alike_share_a_panel() -> None:
    panels = mask_panels(parse("per_head(window(1), per_head(causal(), causal()), window(1), full())"), 3, num_heads=8)
    assert [panel.title for panel in panels] == [
        "heads 0-1, 4-5: window(1)",
        "heads 2-3: causal()",
        "heads 6-7: full()",
    ]
    assert torch.equal(panels[1].values, causal().dense(3)[0])


def test_layers_alike_share_a_panel() -> None:
    config = {"encoder": {"mask": "per_head(window(1), full())", "layers": {"0,2-3": "causal()"}}}
    panels = program_panels(Program.from_config(config), "encoder", 5, 3, num_heads=2)
    assert [panel.title for panel in panels] == [
        "encoder, layers 0, 2-3: causal()",
        "encoder, layers 1, 4, head 0: window(1)",
        "encoder, layers 1, 4, head 1: full()",
    ]
    assert [panel.title for panel in program_panels(Program(), "decoder", 5, 3)] == ["decoder: causal()"]
    with pytest.raises(ProgramError):
        program_panels(Program.from_config(config), "encoder", 2, 3)


def test_heads_of_other_slopes_have_panels_of_one_scale() -> None:
    panels = mask_panels(parse("per_head(causal(), full()) + alibi()"), 3, num_heads=4)
    assert [panel.title for panel in panels] == [
        "head 0: causal() + alibi()",
        "head 1: causal() + alibi()",
        "head 2: full() + alibi()",
        "head 3: full() + alibi()",
    ]
    assert torch.equal(panels[1].values, -(torch.arange(3)[:, None] - torch.arange(3)).abs() / 16)
    assert panels[1].allowed is not None
    assert torch.equal(panels[1].allowed, causal().dense(3)[0])
    alike = mask_panels(parse("per_head(causal(), full()) + bias(word, 1)"), 2, num_heads=4, features={"word": [0, 0]})
    assert [panel.title[:9] for panel in alike] == ["heads 0-1", "heads 2-3"]


def titles(decoder: object, num_heads: int = 1, num_layers: int = 3) -> list[str]:
    program = Program.from_config({"decoder": decoder})
    return [panel.title for panel in program_panels(program, "decoder", num_layers, 4, num_heads=num_heads)]


def test_a_title_says_where_causal_was_added() -> None:
    assert titles("window(2)") == ["decoder, with causal() added: causal() & window(2)"]
    assert titles("full()") == ["decoder, with causal() added: causal()"]
    assert titles("causal() & window(2)") == ["decoder: causal() & window(2)"]
    assert titles({"mask": "window(2)", "bidirectional": True}) == ["decoder: window(2)"]
    assert titles({"mask": "causal() | prefix(2)", "layers": {"-1": "window(1)"}}) == [
        "decoder, layers 0-1: causal() | prefix(2)",
        "decoder, layer 2, with causal() added: causal() & window(1)",
    ]
    encoder = program_panels(Program.from_config({"encoder": "window(2)"}), "encoder", 3, 4)
    assert [panel.title for panel in encoder] == ["encoder: window(2)"]


def test_causal_is_said_of_the_heads_that_it_was_added_to() -> None:
    assert titles("per_head(causal() | prefix(2), window(1))", num_heads=2) == [
        "decoder, head 0: causal() | prefix(2)",
        "decoder, head 1, with causal() added: causal() & window(1)",
    ]
    assert titles("per_head(causal(), window(1)) | prefix(1)", num_heads=2) == [
        "decoder, head 0, with causal() added: causal() & (causal() | prefix(1))",
        "decoder, head 1, with causal() added: causal() & (window(1) | prefix(1))",
    ]


def test_causal_is_said_of_layers_some_of_which_name_it() -> None:
    assert titles({"mask": "full()", "layers": {"0": "causal()"}}) == ["decoder, with causal() added: causal()"]
