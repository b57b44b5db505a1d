"""Kill a new run at one operation after the other: `python -m tests.faults.starting PLACE DATA STRIDE`.

In a process of its own, which has loaded everything and started no thread, so that its children are cheap and safe.
Prints how many points were tried.
"""

from __future__ import annotations

import json
import signal
import sys
from functools import partial
from pathlib import Path

import pyarrow.dataset
import torch
import transformers

import grokcore.training.attempt
import grokcore.training.train
from grokcore.runs import JOURNAL, MANIFEST, lease, read_manifest
from grokcore.spec import load_spec
from grokcore.storage import FileStore, Store, open_store
from tests.faults.dying import DyingStore, die_at_file_operation, in_child

OVERRIDES = ["training.max_steps=2", "training.threads=1", "evaluation.interval=1"]


def train(run: str, data: str) -> None:
    grokcore.training.train.train_model(load_spec("smoke", OVERRIDES), data, run)


def start_and_die(run: str, data: str, point: int) -> None:
    """Train, and be killed before the `point`-th operation on the run's files."""
    if run.startswith("s3://"):
        grokcore.training.attempt.open_store = partial(open_dying, point=point)  # type: ignore[attr-defined]
    else:
        die_at_file_operation(point, Path(run))
    train(run, data)


def open_dying(uri: str | Path, point: int) -> Store:
    store = open_store(uri)
    return store if isinstance(store, FileStore) else DyingStore(store, point)


def check(run: str, data: str) -> None:
    """What a kill has left is either no run yet, or one with spec and manifest; the same command ends it."""
    store = open_store(run)
    assert store.find(JOURNAL) is None or store.find(MANIFEST) is not None, f"{run}: a journal without a run"
    assert store.find(MANIFEST) is None or store.find("spec.yaml") is not None, f"{run}: a manifest without a spec"
    train(run, data)
    assert read_manifest(store).exit_reason == "budget_steps"
    assert [json.loads(line)["step"] for line in store.read(JOURNAL).splitlines()][-1] == 2
    assert store.leftovers() == []


def main(place: str, data: str, stride: int) -> int:
    torch.set_num_threads(1)
    _ = (
        transformers.GPT2LMHeadModel,
        transformers.GenerationConfig,
        pyarrow.dataset,
    )  # loaded here once, not in every child
    lease.LEASE_SECONDS = 0.4
    for tried, point in enumerate(range(1, 1000, stride)):
        run = f"{place}/{point}"
        code = in_child(partial(start_and_die, run, data, point))
        assert code in (0, -signal.SIGKILL), f"point {point} ends with {code}"
        assert in_child(partial(check, run, data)) == 0, f"point {point}"
        if code == 0:
            print(tried)
            return 0
    raise AssertionError("the run never comes to its end")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
