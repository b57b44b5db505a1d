"""Several processes that train one run together, each on its device.

Rank 0 is the leader: it runs the loop, evaluates, writes the run and reports, as a single process would. The others
hold their shard of the state and wait for its commands: one for each optimizer step, and for everything else that needs
all of them.
"""
