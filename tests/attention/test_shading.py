"""Shades of the numbers that masks add to the scores, and the legends of all kinds of panels."""

import torch

from finetune.attention.drawing import Panel, mask_panels, to_text
from finetune.attention.masks import alibi, bias, causal, full, parse
from finetune.attention.shading import score_range


def test_scores_are_shaded_by_a_scale_of_numbers() -> None:
    drawn = to_text(mask_panels(parse("window(2) + alibi(256)"), 5)).splitlines()
    assert drawn == [
        "window(2) + alibi(256.0)",
        "  0 1 2 3 4",
        "0 ██▒▒░░    ",
        "1 ▒▒██▒▒░░  ",
        "2 ░░▒▒██▒▒░░",
        "3   ░░▒▒██▒▒",
        "4     ░░▒▒██",
        "",
        "added to the score: ░ -2 to -1.5   ▒ to -1   ▓ to -0.5   █ to 0   blank: masked",
    ]


def test_one_number_needs_no_range() -> None:
    features = {"word": torch.zeros(2, dtype=torch.int64)}
    drawn = to_text(mask_panels(full() + bias("word", 0.25), 2, features=features)).splitlines()
    assert drawn[2:] == ["0 ████", "1 ████", "", "added to the score: █ 0.25   blank: masked"]
    assert to_text(mask_panels(parse("none() + alibi()"), 2)).splitlines()[2:4] == ["0     ", "1     "]


def test_pairs_that_share_a_cell_show_the_mean_of_those_that_are_allowed() -> None:
    allowed = torch.tensor([[True, False], [False, False]])
    panel = Panel("", torch.tensor([[4.0, 9.0], [9.0, 9.0]]), allowed, are_scores=True)
    other = Panel("", torch.tensor([[0.0]]), torch.tensor([[True]]), are_scores=True)
    assert score_range([panel, other]) == (0, 4)
    assert to_text([panel, other], width=3).splitlines()[2] == "0 █"


def test_every_kind_of_panel_has_its_legend() -> None:
    panels = [*mask_panels(causal(), 2), *mask_panels(alibi(), 2), Panel("", torch.rand(2, 2))]
    legends = to_text(panels).splitlines()[-3:]
    assert [line.split(" ")[0] for line in legends] == ["█", "added", "weight:"]
    assert not legends[2].endswith("blank: masked")
