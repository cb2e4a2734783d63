"""What people look at: masks, how they are computed, and the weights of heads; in the terminal or as a picture.

Here lives what turns recipes and finished runs into something to see. Drawing single masks, which needs neither model
nor run, is `finetune.attention.drawing`; training and scoring live elsewhere.
"""

from finetune.report.drawings import draw_mask, draw_program
from finetune.report.plans import explain_recipe
from finetune.report.weights import draw_weights

__all__ = ["draw_mask", "draw_program", "draw_weights", "explain_recipe"]
