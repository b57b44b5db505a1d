"""Checkpoints: complete states of training, safe against failures of the machine and of the storage.

Below `checkpoints/` of a run, on every kind of store:

    step-00001000/3f2a9c1e/state.safetensors     tensors: weights, optimizer, random numbers, loss scale
    step-00001000/3f2a9c1e/state.json            the few other values
    step-00001000/3f2a9c1e/metrics.jsonl         the journal up to here
    step-00001000/manifest.json                  each file's size and SHA-256; written last, and only if absent
    latest                                       a hint for people; no reader relies on it

A save uploads its files below a name of its own (3f2a9c1e), verifies them, and then writes the manifest, which makes
them a checkpoint: a process that is killed anywhere on the way leaves the earlier checkpoints as they were. A reader
goes by the manifests, verifies every hash, and walks back to the last good checkpoint. Nothing is ever unpickled.
"""
