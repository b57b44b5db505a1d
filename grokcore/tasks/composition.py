"""Composition of relations (Wang et al., arXiv 2405.15071, section 3).

Each entity has `out_degree` of the relations, drawn without replacement, and each leads to a tail drawn uniformly. An
atomic fact is one step, an inferred fact is `hops` of them, one after the other. Rows of the default dataset:

    question                  answer
    <e_0> <r_0>               <e_73>  </a>     atomic
    <e_73> <r_4>              <e_62>  </a>     atomic
    <e_0> <r_0> <r_4>         <e_62>  </a>     inferred, over the bridge <e_73>
    <e_73>                    <e_73>  </a>     with identity = true

A random share `ood_ratio` of the atomic facts is out-of-domain (OOD), the others are in-domain (ID):

    id_atomic, ood_atomic      all atomic facts                                              train
    identity                   with identity = true: every entity that can be a bridge       train
    train_inferred             all steps ID, row by row down-sampled to phi                  train
    test_inferred_iid          all steps ID, held out with probability test_ratio            held out
    test_inferred_ood          all steps OOD                                                 held out
    test_inferred_hop_k_ood    only step k OOD: a split for each k                           diagnostic

The original has two hops, no `identity` and no diagnostic splits. With more hops, a row of which at least two steps but
not all are OOD is in no split, and training has atomic facts and inferred facts of `hops` steps, none in between. In
training, no OOD fact is part of an inferred one. A diagnostic split that a draw leaves empty is left out. Questions
share no few beginnings.

Identity rows (zero hops, arXiv 2509.24653) state no fact. They ask the model to answer with an entity where it reads
it, so that a bridge that the first hop brings into the space of answers lies where the second hop finds its entities.
An entity can be a bridge if a fact leads to it and another leads on from it: nearly every entity of a draw. Each row
stands once in the training set, where it has the weight of any other: 40 of 3,140 rows in `composition-small`.

A user's own facts can be augmented by others, of which no held-out question is made (`grokcore.tasks.augmentation`).
With `new_facts`, facts are added that a second training has beside all of the above (`grokcore.tasks.new_facts`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import CompositionTask
from grokcore.tasks.augmentation import with_augmented
from grokcore.tasks.base import EOS, MAX_ROWS, SPECIALS, Role, Rows, Split, TaskData, TaskDefinition, majority_baseline
from grokcore.tasks.composition_with_new_facts import with_new_facts
from grokcore.tasks.facts import FactTable, numbered, token_name, unless_given
from grokcore.tasks.new_facts import Triples
from grokcore.tasks.random import BottomK, Indices, Stream

HELD_OUT = ("test_inferred_iid", "test_inferred_ood")
"""Held-out splits of the data without new facts."""
MAX_PATHS = 2_000_000_000
_CHUNK = 2**18


@dataclass(frozen=True)
class Graph:
    """F atomic facts over E entities, ordered by their head.

    Attributes:
        head: (F,) int64.
        relation: (F,) int64, unlike that of any other fact with the same head.
        tail: (F,) int64.
        entities: names of the entities.
        relations: names of the relations.
    """

    head: Indices
    relation: Indices
    tail: Indices
    entities: tuple[str, ...]
    relations: tuple[str, ...]

    @cached_property
    def degree(self) -> Indices:
        """(E,) facts that each entity is the head of."""
        return np.bincount(self.head, minlength=len(self.entities))

    @cached_property
    def start(self) -> Indices:
        """(E,) the first fact of each entity."""
        start: Indices = np.cumsum(self.degree) - self.degree
        return start

    @cached_property
    def bridges(self) -> Indices:
        """Entities that a fact leads to and that facts lead on from, ascending."""
        return np.flatnonzero((self.degree > 0) & (np.bincount(self.tail, minlength=len(self.entities)) > 0))

    def continuations(self, hops: int) -> npt.NDArray[np.float64]:
        """(F,) paths of `hops` facts that begin with each fact; rounded, so that no count overflows."""
        paths: npt.NDArray[np.float64] = np.ones(len(self.head))
        for _ in range(hops - 1):
            onward = np.bincount(self.head, weights=paths, minlength=len(self.entities))
            paths = onward[self.tail].astype(np.float64)
        return paths

    def paths(self, hops: int, chunk: int = _CHUNK) -> Iterator[Indices]:
        """Every path as the facts that it consists of, in a fixed order: (n, hops) arrays of about `chunk` rows."""
        totals = np.cumsum(self.continuations(hops))
        begin = 0
        while begin < len(self.head):
            done = totals[begin - 1] if begin else 0.0
            end = max(begin + 1, int(np.searchsorted(totals, done + chunk, side="right")))
            path = np.arange(begin, end)[:, np.newaxis]
            for _ in range(hops - 1):
                bridge = self.tail[path[:, -1]]
                degree = self.degree[bridge]
                place = np.arange(degree.sum()) - np.repeat(np.cumsum(degree) - degree, degree)
                path = np.column_stack([np.repeat(path, degree, axis=0), np.repeat(self.start[bridge], degree) + place])
            yield path
            begin = end

    def coded(self, path: Indices) -> Indices:
        """(n,) one number for each path (n, hops)."""
        code: Indices = path[:, 0]
        for hop in range(1, path.shape[1]):
            code = code * self._radix + path[:, hop] - self.start[self.head[path[:, hop]]]
        return code

    def decoded(self, codes: Indices, hops: int) -> Indices:
        """(n, hops) the paths of (n,) numbers."""
        places = []
        for _ in range(hops - 1):
            codes, place = np.divmod(codes, self._radix)
            places.append(place)
        path = [codes]
        for place in reversed(places):
            path.append(self.start[self.tail[path[-1]]] + place)
        return np.column_stack(path)

    @cached_property
    def _radix(self) -> int:
        return int(self.degree.max())


def build(task: CompositionTask) -> TaskData:
    """The facts and splits of `task`; with the same seed, raising `phi` or `probe_size` only adds rows.

    Raises:
        InputError: a split came out empty, fewer paths were drawn for training than `phi` asks for, or the data are
            too many.
    """
    if task.entities * task.relations > MAX_ROWS:
        raise InputError(
            f"entities={task.entities} times relations={task.relations} is more than {MAX_ROWS}: lower one of them"
        )
    facts = task.entities * task.out_degree
    onward = float(task.out_degree) ** (task.hops - 1)
    _check_size(task, facts, facts * onward, onward)
    return _build(task, _draw_graph(task))


def build_from(task: CompositionTask, table: FactTable) -> TaskData:
    """The splits of `task` over a user's own facts.

    Raises:
        InputError: as `build`.
    """
    graph = Graph(table.subject, table.relation, table.object, table.subjects, table.relations)
    paths = graph.continuations(task.hops)
    _check_size(task, len(table), float(paths.sum()), float(paths.max()))
    augmented = np.zeros(len(table), bool) if table.augmented is None else table.augmented
    if augmented.all():
        raise InputError("all facts are augmented, so that there is nothing to ask for: write 0 for those that are not")
    given = replace(graph, **{name: getattr(graph, name)[~augmented] for name in ("head", "relation", "tail")})
    data = _build(task, given)
    if not augmented.any():
        return data
    facts = Triples(graph.head, graph.relation, graph.tail)
    return with_augmented(task, facts, augmented, graph.paths(task.hops), len(graph.entities), data)


def _draw_graph(task: CompositionTask) -> Graph:
    keys = Stream(task.seed, "composition", "relations")
    rows = max(1, _CHUNK // task.relations)
    chosen = []
    for begin in range(0, task.entities, rows):
        shape = (min(rows, task.entities - begin), task.relations)
        order = np.argsort(keys.words(math.prod(shape)).reshape(shape), axis=1, kind="stable")
        chosen.append(np.sort(order[:, : task.out_degree], axis=1))
    facts = task.entities * task.out_degree
    return Graph(
        np.repeat(np.arange(task.entities), task.out_degree),
        np.concatenate(chosen).ravel(),
        Stream(task.seed, "composition", "tails").integers(task.entities, facts),
        numbered(task.entities),
        numbered(task.relations),
    )


def _roles(task: CompositionTask) -> dict[str, Role]:
    """Every split in order."""
    identity: dict[str, Role] = {"identity": "train"} if task.identity else {}
    return {
        "id_atomic": "train",
        "ood_atomic": "train",
        **identity,
        "train_inferred": "train",
        "test_inferred_iid": "held_out",
        "test_inferred_ood": "held_out",
        **dict.fromkeys((f"test_inferred_hop_{hop}_ood" for hop in range(1, task.hops + 1)), "diagnostic"),
    }


def _build(task: CompositionTask, graph: Graph) -> TaskData:
    facts = len(graph.head)
    ood = np.zeros(facts, bool)
    ood[Stream(task.seed, "composition", "ood").sample(facts, round(task.ood_ratio * facts))] = True
    samples, counts = _draw_inferred(task, graph, ood)

    def rows(path: Indices) -> Rows:
        first_relation = len(graph.entities)
        relations = [graph.relation[path[:, hop]] + first_relation for hop in range(path.shape[1])]
        return Rows.of_columns([graph.head[path[:, 0]], *relations], graph.tail[path[:, -1]])

    train = {
        "id_atomic": rows(np.flatnonzero(~ood)[:, np.newaxis]),
        "ood_atomic": rows(np.flatnonzero(ood)[:, np.newaxis]),
        **({"identity": Rows.of_columns([graph.bridges], graph.bridges)} if task.identity else {}),
        "train_inferred": rows(graph.decoded(samples["train_inferred"].rows(), task.hops)),
    }
    probes, splits = {}, {}
    for split, role in _roles(task).items():
        if split in train:
            full = train[split]
            size, answers = len(full), np.bincount(full.answers)
            probes[split] = full[Stream(task.seed, "composition", "probes", split).sample(size, task.probe_size)]
        elif samples[split].offered:
            size, answers = samples[split].offered, counts[split]
            probes[split] = rows(graph.decoded(samples[split].rows(), task.hops))
        else:
            continue
        splits[split] = Split(role, size, majority_baseline(answers[np.newaxis]), 1 / len(graph.entities))
    vocabulary = (
        *(f"<e_{token_name(entity)}>" for entity in graph.entities),
        *(f"<r_{token_name(relation)}>" for relation in graph.relations),
        *SPECIALS,
    )
    data = TaskData(vocabulary, vocabulary.index(EOS), (), train, probes, splits)
    if task.new_facts is None:
        return data
    old = Triples(graph.head, graph.relation, graph.tail)
    return with_new_facts(task, task.new_facts, old, old[~ood], data)


def _check_size(task: CompositionTask, facts: int, paths: float, most: float) -> None:
    """Refuse `facts` atomic facts with `paths` inferred ones, at most `most` of them from one fact on, if too many."""
    if paths > MAX_PATHS or most > MAX_ROWS:
        raise InputError(
            f"hops={task.hops} gives {paths:.2g} inferred facts, more than the {MAX_PATHS:.0e} that can be drawn: "
            f"lower hops{unless_given(task, ', entities or out_degree', ', or state fewer facts')}"
        )
    if facts * (1 + task.phi) > MAX_ROWS:
        raise InputError(
            f"phi={task.phi:g} with {facts} atomic facts gives more than the {MAX_ROWS} training rows that fit in "
            f"memory: lower phi{unless_given(task, ', entities or out_degree', ', or state fewer facts')}"
        )


def _draw_inferred(
    task: CompositionTask, graph: Graph, ood: npt.NDArray[np.bool_]
) -> tuple[dict[str, BottomK], dict[str, Indices]]:
    """One pass over all paths.

    Returns:
        A sample of each split of inferred facts, its rows as codes: the training rows, and the probes of the other
        splits. And how often each entity is the answer, (E,).
    """
    in_domain = int(np.count_nonzero(~ood))
    wanted = round(task.phi * in_domain)
    roles = {split: role for split, role in _roles(task).items() if "inferred" in split}
    samples = {split: BottomK(wanted if role == "train" else task.probe_size) for split, role in roles.items()}
    keys = {split: Stream(task.seed, "composition", "keys", split) for split in roles}
    counts = {split: np.zeros(len(graph.entities), np.int64) for split in roles}
    coins = Stream(task.seed, "composition", "held out")
    for path in graph.paths(task.hops):
        out = ood[path]
        steps_out = np.count_nonzero(out, axis=1)
        known = path[steps_out == 0]
        held_out = coins.bernoulli(task.test_ratio, len(known))
        members = {
            "train_inferred": known[~held_out],
            "test_inferred_iid": known[held_out],
            "test_inferred_ood": path[steps_out == task.hops],
        }
        for hop in range(task.hops):
            members[f"test_inferred_hop_{hop + 1}_ood"] = path[(steps_out == 1) & out[:, hop]]
        for split, found in members.items():
            samples[split].offer(keys[split].words(len(found)), graph.coded(found))
            counts[split] += np.bincount(graph.tail[found[:, -1]], minlength=len(graph.entities))

    available = samples["train_inferred"].offered
    if not available:
        raise InputError("no fact leads to an entity that has facts of its own, so that nothing can be inferred")
    if wanted > available:
        most = math.floor(100 * available / in_domain) / 100
        more = unless_given(task, "raise out_degree", "state more facts")
        raise InputError(
            f"phi={task.phi:g} asks for {wanted} inferred facts, but this draw left {available} for training: "
            f"lower phi to at most {most:g}, lower test_ratio or {more}"
        )
    if not wanted:
        raise InputError(f"phi={task.phi:g} asks for no inferred fact at all: raise phi")
    for split in HELD_OUT:
        if not samples[split].offered:
            ratio = "test_ratio" if split == "test_inferred_iid" else "ood_ratio"
            raise InputError(
                f"this draw left {split} empty: raise {ratio}={getattr(task, ratio):g} or "
                f"{unless_given(task, 'entities', 'state more facts')}"
            )
    return samples, counts


TASK = TaskDefinition[CompositionTask](
    build,
    row="`<e_17> <r_3> <r_8>` → the entity two (or n) hops on",
    held_out="chains of facts that training composes (ID); chains of facts that it states but never composes (OOD)",
    from_facts=("relations", build_from),
)
