"""What takes the optimizer steps: `native` on one device, `deepspeed` on one or more, a process for each.

All else is the same for both: the loop, the order of the data, evaluation, the journal, checkpoints, phases.
"""
