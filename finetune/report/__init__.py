"""What people look at: masks and the weights of heads, drawn in the terminal or as a picture.

Here lives what turns recipes and finished runs into something to see. Drawing single masks, which needs neither model
nor run, is `finetune.attention.drawing`; training and scoring live elsewhere.
"""

from finetune.report.drawings import draw_mask, draw_program
from finetune.report.weights import draw_weights

__all__ = ["draw_mask", "draw_program", "draw_weights"]
