"""Augmented facts: training has them beside a user's own facts, so that more is inferred from each fact.

Real facts are few, and few of them chain: their phi, inferred facts per atomic fact, stays below what grokking needs.
Further facts raise it, and even false ones are claimed to (arXiv 2504.20752, which gives accuracies of 95 to 100 %). A
file marks them by 1 in a column `augmented`. They add two splits, and change no row of any other:

    augmented_atomic       the augmented facts                                                            train
    augmented_inferred     paths over at least one of them and no OOD fact; of these the share             train
                           `augmented_share`, a larger share only adding rows

Held-out questions are about facts that are not augmented, and `phi` samples the inferred facts from these alone. So
three datasets ask the same questions: without augmented facts; with them and `augmented_share` 0, which is the control
(more is to be known, and nothing more composed); and with a share of 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import CompositionTask
from grokcore.tasks.base import MAX_ROWS, Rows, Split, TaskData, majority_baseline
from grokcore.tasks.new_facts import Triples
from grokcore.tasks.random import Indices, Stream


def with_augmented(
    task: CompositionTask,
    facts: Triples,
    augmented: npt.NDArray[np.bool_],
    paths: Iterable[Indices],
    entities: int,
    data: TaskData,
) -> TaskData:
    """Add the augmented facts and their paths to the rows.

    Args:
        facts: all facts, the augmented ones among them.
        augmented: (F,) which of them are augmented.
        paths: all paths over all facts, in arrays (n, hops) of indices of `facts`.
        entities: their number, and the first relation's token.
        data: vocabulary, rows and splits of the facts that are not augmented.

    Raises:
        InputError: there are more paths than fit in memory.
    """
    barred = _stated(facts, data.train["ood_atomic"], entities)

    def rows(path: Indices) -> Rows:
        relations = [facts.relation[path[:, hop]] + entities for hop in range(path.shape[1])]
        return Rows.of_columns([facts.head[path[:, 0]], *relations], facts.tail[path[:, -1]])

    coins = Stream(task.seed, "composition", "augmented")
    chosen, size = [np.empty((0, task.hops), np.int64)], 0
    for path in paths:
        found = path[augmented[path].any(axis=1) & ~barred[path].any(axis=1)]
        words = coins.words(len(found))
        if task.augmented_share < 1:
            found = found[words < np.uint64(int(task.augmented_share * 2**64))]
        chosen.append(found)
        size += len(found)
        if size > MAX_ROWS:
            raise InputError(
                f"the augmented facts give more than the {MAX_ROWS} rows that fit in memory: lower "
                f"augmented_share={task.augmented_share:g} or augment by fewer"
            )
    added = {"augmented_atomic": rows(np.flatnonzero(augmented)[:, None])}
    if size:
        added["augmented_inferred"] = rows(np.concatenate(chosen))
    probes, splits = dict(data.probes), dict(data.splits)
    for split, full in added.items():
        probes[split] = full[Stream(task.seed, "composition", "probes", split).sample(len(full), task.probe_size)]
        baseline = majority_baseline(np.bincount(full.answers)[np.newaxis])
        splits[split] = Split("train", len(full), baseline, 1 / entities)
    train = {**data.train, **added}
    order = (*train, *(split for split in splits if split not in train))
    return replace(
        data,
        train=train,
        probes={split: probes[split] for split in order},
        splits={split: splits[split] for split in order},
    )


def _stated(facts: Triples, atomic: Rows, entities: int) -> npt.NDArray[np.bool_]:
    """(F,) which facts are among these atomic rows."""
    radix = int(facts.relation.max()) + 1
    relation = atomic.tokens[:, 1].astype(np.int64) - entities
    return np.isin(facts.head * radix + facts.relation, atomic.tokens[:, 0].astype(np.int64) * radix + relation)
