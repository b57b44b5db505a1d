"""Engines, which take the optimizer steps: `native` on one device, `deepspeed` on one or more, a process for each.

Everything else is shared: the loop, the order of the data, evaluation, the journal, checkpoints, phases.
"""
