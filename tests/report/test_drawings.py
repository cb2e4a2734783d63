"""Masks over positions and tokens, in the terminal and as pictures."""

from pathlib import Path

import pytest

from finetune.attention import Program, Site, parse
from finetune.errors import UserError
from finetune.models import load_tokenizer
from finetune.recipe import Model, Scratch
from finetune.report import draw_mask, draw_program
from finetune.report.drawings import Axis, read_mask, read_site

MODEL = Model(scratch=Scratch(architecture="bert", size="tiny", vocab_size=120))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tokenizer")
    load_tokenizer(MODEL, lambda: ["a red dog. the house"]).save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return str(folder)


def test_one_cell_a_pair() -> None:
    drawn = draw_mask(parse("causal()"), Axis(3)).splitlines()
    rows = [line.split()[1] for line in drawn if line.strip()[:1].isdigit() and len(line.split()) == 2]
    assert rows == ["██····", "████··", "██████"]


def test_heads_that_differ_have_panels_of_their_own() -> None:
    drawn = draw_mask(parse("per_head(full(), window(1))"), Axis(4), heads=4)
    assert "heads 0-1" in drawn
    assert "heads 2-3" in drawn


def test_tokens_of_a_text_are_on_the_axes_and_special_tokens_are_known(model: str) -> None:
    mask = parse("global_tokens(cls) | same(sentence)")
    axis = Axis.of_text("a dog. a house", None, model, Program.from_config({"encoder": mask}))
    assert axis.tokens is not None
    assert axis.tokens[0] == "[CLS]"
    assert "[CLS]" in draw_mask(mask, axis)


def test_a_recipes_masks_are_drawn_where_they_are_not_standard() -> None:
    program = Program.from_config({"encoder": {"mask": "window(1)", "layers": {"-1": "full()"}}, "cross": "window(2)"})
    drawn = draw_program(program, Axis(4), layers=3, heads=1)
    assert "encoder, layers 0-1" in drawn
    assert "encoder, layer 2" in drawn
    assert "cross" in drawn
    assert "decoder" not in drawn


def test_a_picture_is_written(tmp_path: Path) -> None:
    draw_mask(parse("window(2)"), Axis(5), picture=tmp_path / "mask.png")
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="cannot be written"):
        draw_mask(parse("window(2)"), Axis(5), picture=tmp_path / "nowhere" / "mask.png")


def test_a_mistake_in_the_text_is_shown_in_its_place() -> None:
    with pytest.raises(UserError, match="did you mean 'window'"):
        read_mask("causal() & widnow(3)")


def test_what_a_mask_reads_must_be_there(model: str) -> None:
    with pytest.raises(UserError, match="--text"):
        draw_mask(parse("same(word)"), Axis(3))
    with pytest.raises(UserError, match="'topic'"):
        Axis.of_text("a", None, model, Program.from_config({"encoder": "same(topic)"}))


@pytest.mark.parametrize(
    ("program", "fix"),
    [
        ({"encoder": "per_head(full(), window(1), window(2))"}, "--heads 3, or the number of heads of your model"),
        ({"encoder": {"layers": {"7": "window(1)"}}}, "--layers gives the number of layers of your model"),
        ({"encoder": "same(sentence)"}, '--text "..." --model NAME gives it tokens to read'),
    ],
)
def test_a_mask_that_cannot_be_drawn_says_what_is_missing(program: dict[str, object], fix: str) -> None:
    with pytest.raises(UserError, match="the mask cannot be drawn") as caught:
        draw_program(Program.from_config(program), Axis(6), layers=2, heads=2)
    assert caught.value.fix == fix


@pytest.mark.parametrize("mask", ["none()", "global_tokens(99)"])
def test_a_drawing_without_allowed_pairs_says_so(mask: str) -> None:
    assert "No pair is allowed here." in draw_mask(parse(mask), Axis(6))
    assert "No pair is allowed here." not in draw_mask(parse(f"{mask} | window(0)"), Axis(6))


def test_the_number_of_heads_is_the_smallest_that_all_masks_fit() -> None:
    drawn = draw_mask(parse("per_head(full(), window(1))"), Axis(4))
    assert "head 0" in drawn
    assert "head 1" in drawn
    layers = {"0": "per_head(full(), window(1))", "1": "per_head(full(), window(1), window(2))"}
    drawn = draw_program(Program.from_config({"encoder": {"layers": layers}}), Axis(6), layers=2)
    assert "heads 4-5: window(2)" in drawn


def test_masks_of_a_site_are_read_as_a_recipe_has_them() -> None:
    assert read_site("window(1)") == Site(parse("window(1)"))
    site = read_site("{mask: window(1), layers: {-1: full(), 0-1: causal()}}")
    assert site == Site(parse("window(1)"), (("-1", parse("full()")), ("0-1", parse("causal()"))))
    for wrong, expected in (("{mask: window(1", "is not YAML"), ("{masks: window(1)}", "did you mean 'mask'")):
        with pytest.raises(UserError, match=expected):
            read_site(wrong)


@pytest.mark.parametrize("name", ["mask.gif", "mask"])
def test_a_picture_of_another_format_is_refused_before_anything_is_drawn(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written") as caught:
        draw_mask(parse("window(2)"), Axis(5), picture=tmp_path / name)
    assert caught.value.expected == "a name that ends in .png, .svg, .pdf"
    assert caught.value.fix == f"{tmp_path / name}.png, say"
