"""Questions about facts that stand in the prompt: in-context comparison, and associative recall.

A prompt states a value for each of `context` different entities, all drawn anew for every prompt, and then asks. The
model learns to look up and compare, since no fact outlives its prompt. Rows of the default dataset (comparison), and
of the same with variant = recall:

    question                                                                       answer
    <e_14> <6> <e_0> <4> <e_44> <2> <e_39> <0> <q> <e_39> <e_14>                   <smaller>  </a>
    <e_5> <1> <e_23> <0> <e_22> <2> <e_18> <2> <q> <e_22> <e_18>                   <equal>    </a>
    <e_8> <1> <e_2> <0> <e_11> <2> <e_30> <2> <q> <e_11>                           <2>        </a>     recall

A random share of the entities is out-of-domain (OOD): they stand in the prompts of training and are never asked for.

    train                  prompts that ask for in-domain entities, all different                    train
    test_iid               other such prompts                                                        held out
    test_ood               prompts that ask for OOD entities alone                                   held out
    test_long              prompts of `long_context` facts that ask for in-domain entities           diagnostic

The splits to test on have `probe_size` prompts each, of which none stands in another split; there could be as many as
one likes. Entities of a comparison are two different ones, in random order. Questions share no few beginnings.
"""

from __future__ import annotations

import numpy as np

from grokcore.errors import InputError
from grokcore.spec import InContextTask
from grokcore.tasks.base import EOS, MAX_ROWS, SPECIALS, Role, Rows, Split, TaskData, TaskDefinition, majority_baseline
from grokcore.tasks.facts import numbered
from grokcore.tasks.prompts import different, distinct, shuffled
from grokcore.tasks.random import Indices, Stream

LABELS = ("<smaller>", "<equal>", "<greater>")
ROLES: dict[str, Role] = {"train": "train", "test_iid": "held_out", "test_ood": "held_out", "test_long": "diagnostic"}


def build(task: InContextTask) -> TaskData:
    """The prompts of `task`; with the same seed, raising `train_size` only adds prompts to the training set.

    Raises:
        InputError: the data are too many.
    """
    if task.train_size * (2 * task.context + task.asked) > 20 * MAX_ROWS:
        raise InputError(
            f"train_size={task.train_size} with context={task.context} does not fit in memory: lower one of them"
        )
    ood = Stream(task.seed, "in_context", "ood").sample(task.entities, task.entities - task.in_domain_entities)
    in_domain = np.setdiff1d(np.arange(task.entities), ood)
    train = _different(task, "train", in_domain, task.context, task.train_size)
    prompts = {
        "train": train,
        "test_iid": _different(task, "test_iid", in_domain, task.context, task.probe_size, unlike=train),
        "test_ood": _different(task, "test_ood", ood, task.context, task.probe_size),
        "test_long": _different(task, "test_long", in_domain, task.long_context, task.probe_size),
    }
    vocabulary = (
        *(f"<e_{entity}>" for entity in numbered(task.entities)),
        *(f"<{value}>" for value in numbered(task.values)),
        *SPECIALS,
        *(LABELS if task.variant == "comparison" else ()),
    )
    answers = len(LABELS) if task.variant == "comparison" else task.values
    full = {split: _rows(task, found) for split, found in prompts.items()}
    sample = Stream(task.seed, "in_context", "probes", "train").sample(task.train_size, task.probe_size)
    return TaskData(
        vocabulary,
        vocabulary.index(EOS),
        prefixes=(),
        train={"train": full["train"]},
        probes={split: rows[sample] if split == "train" else rows for split, rows in full.items()},
        splits={
            split: Split(ROLES[split], len(rows), majority_baseline(np.bincount(rows.answers)[np.newaxis]), 1 / answers)
            for split, rows in full.items()
        },
    )


def _different(
    task: InContextTask, split: str, askable: Indices, context: int, count: int, unlike: Indices | None = None
) -> Indices:
    """The first `count` prompts that are drawn for a split, leaving out repetitions and those that `unlike` has.

    Returns:
        (count, asked + 2 context): the entities that are asked for, those of the facts, and the facts' values.
    """
    streams = {purpose: Stream(task.seed, "in_context", split, purpose) for purpose in _PURPOSES}
    return different(lambda batch: _draw(task, streams, askable, context, batch), count, unlike=unlike)


_PURPOSES = ("asked", "asked order", "others", "order", "values")


def _draw(task: InContextTask, streams: dict[str, Stream], askable: Indices, context: int, count: int) -> Indices:
    """`count` prompts, each of which takes equally many words of every stream."""
    asked = distinct(streams["asked"], len(askable), task.asked, count)
    asked = shuffled(streams["asked order"], askable[asked])
    others = distinct(streams["others"], task.entities - task.asked, context - task.asked, count)
    for entity in np.sort(asked, axis=1).T:  # the others are numbered without those that are asked for
        others += others >= entity[:, np.newaxis]
    entities = shuffled(streams["order"], np.column_stack([asked, others]))
    values = streams["values"].integers(task.values, count * context).reshape(count, context)
    return np.column_stack([asked, entities, values])


def _rows(task: InContextTask, prompts: Indices) -> Rows:
    asked, entities, values = np.split(prompts, [task.asked, (prompts.shape[1] + task.asked) // 2], axis=1)
    q = task.entities + task.values + SPECIALS.index("<q>")
    columns: list[Indices | int] = []
    for entity, value in zip(entities.T, values.T, strict=True):
        columns += [entity, task.entities + value]
    places = np.argmax(entities[:, np.newaxis] == asked[:, :, np.newaxis], axis=2)  # (N, asked)
    found = np.take_along_axis(values, places, axis=1)
    if task.variant == "recall":
        answers = task.entities + found[:, 0]
    else:
        first_label = task.entities + task.values + len(SPECIALS)
        answers = first_label + 1 + np.sign(found[:, 0] - found[:, 1])
    return Rows.of_columns([*columns, q, *asked.T], answers)


TASK = TaskDefinition[InContextTask](
    build,
    row="facts in the prompt, then a question about them",
    held_out="new prompts (ID); entities that training never asks about (OOD)",
)
