"""The check of finetune on a GPU, `scripts/check_gpu`: what must be right there, and how fast it is.

`parts` lists the parts, `runner` runs each in a process of its own within a budget of time, and `command` is the
command. Nothing here needs more than torch, transformers, accelerate and what finetune.attention imports; where a part
needs more, it says what is missing.
"""
