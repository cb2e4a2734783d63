"""The files of a run, and resuming from them: run folder, checkpoints, training state, lock, fingerprint.

This package has the formats of these files. It writes them so that a crash leaves them whole, and reports damage in one
clear message. `finetune.training` decides when a checkpoint is due; this package does not import the loop.
"""
