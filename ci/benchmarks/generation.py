"""The dataset of a comparison task: the library's generator against a loop over single pairs."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from grokcore.data import generate_dataset
from grokcore.spec import ComparisonTask, load_spec, validate

Row = dict[str, str]
T = TypeVar("T")

BYTES_OF_A_ROW = 420
"""About what one row of the loop takes in memory: a dict and its two texts."""


def compare_generation(preset: str = "thesis", *, repeats: int = 5) -> dict[str, Any]:
    """Seconds from a task to the files on disk, and their ratio.

    The loop runs once, since it takes a minute; where memory holds only some attributes of the task, over as many as
    fit, and its time is scaled to all of them, which the result says.
    """
    task: ComparisonTask = validate(ComparisonTask, load_spec(preset).task)
    pairs = task.attributes * task.entities * (task.entities - 1) // 2
    fit = int(_free_memory() / (2 * pairs / task.attributes * BYTES_OF_A_ROW))
    attributes = max(1, min(task.attributes, fit))
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
        ours = [_timed_library(task, Path(folder) / str(repeat)) for repeat in range(repeats)]
        loop_seconds, sizes = pool.apply(_timed_loop, (task, attributes, Path(folder) / "loop"))
    loop_seconds *= task.attributes / attributes
    return {
        "preset": preset,
        "library_seconds": {"median": statistics.median(ours), "all": ours},
        "loop_seconds": loop_seconds,
        "loop_measured_share": attributes / task.attributes,
        "loop_rows": sizes,
        "ratio": loop_seconds / statistics.median(ours),
    }


def _free_memory() -> int:
    """Bytes that can be used without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _timed_library(task: ComparisonTask, out: Path) -> float:
    begin = time.perf_counter()
    generate_dataset(task, out)
    return time.perf_counter() - begin


def _timed_loop(task: ComparisonTask, attributes: int, out: Path) -> tuple[float, dict[str, int]]:
    begin = time.perf_counter()
    splits = loop(task, attributes)
    out.mkdir()
    write(splits, out, probe_size=task.probe_size)
    return time.perf_counter() - begin, {name: len(rows) for name, rows in splits.items()}


def loop(task: ComparisonTask, attributes: int) -> dict[str, list[Row]]:
    """All splits of the first `attributes` attributes, pair by pair, as texts.

    Written anew after what the notebook of arXiv 2405.15071's public code does: every pair is looked up in a table of
    values, tossed for, compared and formatted on its own, in both orders, and the training pairs are sampled down at
    the end.
    """
    generator = np.random.RandomState(task.seed)
    names = [f"<e_{entity}>" for entity in range(task.entities)]
    index = {name: entity for entity, name in enumerate(names)}
    table = generator.randint(task.values, size=(task.entities, task.attributes))
    splits: dict[str, list[Row]] = {
        name: [] for name in ("id_atomic", "ood_atomic", "train_inferred", "test_inferred_iid", "test_inferred_ood")
    }
    for attribute in range(attributes):
        token = f"<attr_{attribute}>"
        labels = [f"<attr_{attribute}_{label}>" for label in range(3)]
        in_domain = set(_choose(generator, names, task.in_domain_entities))
        for name in names:
            split = "id_atomic" if name in in_domain else "ood_atomic"
            splits[split].append(_row([name, token], f"<{table[index[name], attribute]}>", split))
        for one, other in itertools.combinations(names, 2):
            if one in in_domain and other in in_domain:
                split = "test_inferred_iid" if generator.uniform() < task.test_ratio else "train_inferred"
            elif one in in_domain or other in in_domain:
                continue
            else:
                split = "test_inferred_ood"
            for first, second in ((one, other), (other, one)):
                label = _compare(table[index[first], attribute], table[index[second], attribute])
                splits[split].append(_row([token, "<q>", first, "<mask>", second], labels[label], split))
    wanted = round(task.phi * len(splits["id_atomic"]))
    splits["train_inferred"] = _choose(generator, splits["train_inferred"], wanted)
    return splits


def _compare(one: int, other: int) -> int:
    if one < other:
        return 0
    return 1 if one == other else 2


def _choose(generator: np.random.RandomState, items: list[T], count: int) -> list[T]:
    return [items[place] for place in generator.choice(len(items), min(count, len(items)), replace=False).tolist()]


def write(splits: dict[str, list[Row]], out: Path, *, probe_size: int) -> None:
    """The training rows, and a sample of every split, as the public code's JSON files."""
    generator = np.random.RandomState(0)
    probes = [row for rows in splits.values() for row in _choose(generator, rows, probe_size)]
    training = [row for name in ("id_atomic", "ood_atomic", "train_inferred") for row in splits[name]]
    for file, rows in (("train.json", training), ("test.json", probes)):
        with (out / file).open("w", encoding="utf-8") as handle:
            json.dump(rows, handle)


def _row(question: list[str], answer: str, split: str) -> Row:
    text = "".join(question)
    return {"input_text": text, "target_text": "".join([text, answer, "</a>"]), "type": split}
