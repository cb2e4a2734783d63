"""What a run keeps on the disk, and how it goes on from there: run folder, checkpoints, state, lock, fingerprint.

Here belong the formats of these files, writing them so that a crash leaves them whole, and reading them with one clear
message where they are damaged. When a checkpoint is due is decided in `finetune.training`; nothing here knows the loop.
"""
