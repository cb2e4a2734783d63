"""Use of the hardware: memory, precision, matrix products, compilation, sharding, prefetching.

This package has what depends on the processor, its libraries or the number of devices, and changes results at most by
rounding. The training step itself is in `finetune.training`; this package does not import the loop.
"""
