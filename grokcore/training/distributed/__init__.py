"""Several processes that train one run together, each on its device.

Process 0 leads: it runs the loop, evaluates, writes the run and reports, as a process alone would. The others hold
their part of the state and wait for its orders: one for each optimiser step, and for whatever else needs them all.
"""
