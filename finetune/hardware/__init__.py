"""How a run makes use of the machine: memory, precision, matrix products, compilation, sharding, prefetching.

Here belongs what depends on the processor, its libraries or the number of devices, and leaves results the same but for
rounding. What belongs to a training step is in `finetune.training`; nothing here knows the loop.
"""
