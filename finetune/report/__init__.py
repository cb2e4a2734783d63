"""Drawings and tables of masks, of the plans that compute them, of attention weights, and of compared runs.

This package compares finished runs, and it draws the masks of recipes and the weights of finished runs, in the terminal
or as a picture. `finetune.report.page` makes the page `report.html` of runs. It uses `finetune.attention.drawing`,
which draws single masks and needs neither a model nor a run.
"""

from typing import TYPE_CHECKING

from finetune.lazy import lazy_names

if TYPE_CHECKING:
    from finetune.report.comparison import RunComparison, compare_runs
    from finetune.report.comparison_tables import print_comparisons, write_changed
    from finetune.report.drawings import draw_mask, draw_program
    from finetune.report.plans import explain_recipe
    from finetune.report.weights import draw_weights

__all__ = [
    "RunComparison",
    "compare_runs",
    "draw_mask",
    "draw_program",
    "draw_weights",
    "explain_recipe",
    "print_comparisons",
    "write_changed",
]

# Lazy, since a mask over positions is drawn without transformers.
__getattr__ = lazy_names(
    __name__,
    {
        "RunComparison": "comparison",
        "compare_runs": "comparison",
        "draw_mask": "drawings",
        "draw_program": "drawings",
        "draw_weights": "weights",
        "explain_recipe": "plans",
        "print_comparisons": "comparison_tables",
        "write_changed": "comparison_tables",
    },
)
