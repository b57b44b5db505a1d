"""Tables of facts: from what a package knows to the CSV file that `grokcore generate --from` reads."""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

COMPARISON = ("entity", "attribute", "value")
COMPOSITION = ("subject", "relation", "object")


Fact = tuple[str, str, str]


@dataclass(frozen=True)
class Table:
    """Facts in the order of their names, one for each subject and relation.

    Attributes:
        columns: `COMPARISON` or `COMPOSITION`.
        facts: (entity, attribute, rank) or (subject, relation, object).
        source: the package that they come from, with its version.
        augmented: further facts, which training has and no held-out question is about.
    """

    columns: tuple[str, str, str]
    facts: tuple[Fact, ...]
    source: str
    augmented: tuple[Fact, ...] = ()

    def shuffled(self, seed: int) -> Table:
        """Permute the values of each attribute, or the objects of each relation, among those that have it.

        This control keeps every frequency, tie and gap, and breaks what the facts have to do with each other: the mass
        of an element no longer follows from its number, nor the continent of a country from its neighbor's.
        """
        order = random.Random(seed)  # noqa: S311 - a control, no secret
        objects: dict[str, list[str]] = {}
        for _, relation, thing in self.facts:
            objects.setdefault(relation, []).append(thing)
        for relation in sorted(objects):
            order.shuffle(objects[relation])
        facts = tuple((subject, relation, objects[relation].pop()) for subject, relation, _ in self.facts)
        return replace(self, facts=facts, source=f"{self.source}, shuffled by {seed}")

    def augmented_by(self, further: Table) -> Table:
        """Add the facts of another table as augmented ones."""
        return replace(self, augmented=further.facts, source=f"{self.source}, augmented by {further.source}")

    def write(self, path: Path) -> str:
        """Write the CSV file, and return its SHA-256: the same facts always give the same bytes."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if self.augmented:
                writer.writerow((*self.columns, "augmented"))
                writer.writerows((*fact, 0) for fact in self.facts)
                writer.writerows((*fact, 1) for fact in self.augmented)
            else:
                writer.writerow(self.columns)
                writer.writerows(self.facts)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def ranks(numbers: Mapping[str, float], count: int) -> dict[str, int]:
    """Cut numbers into `count` ranks, 0 to count - 1, with as equal a number of things in each as ties allow.

    Equal numbers always share a rank: that of the middle of their places. Ranks of places rather than of sizes, since
    populations and abundances are so skewed that nearly all of them would share the lowest of equally wide steps.
    """
    frequency = Counter(numbers.values())
    below, rank = 0, {}
    for number in sorted(frequency):
        rank[number] = count * (2 * below + frequency[number]) // (2 * len(numbers))
        below += frequency[number]
    return {name: rank[number] for name, number in numbers.items()}


def comparison(attributes: Mapping[str, Mapping[str, float | None]], values: int, source: str) -> Table:
    """Return the ranks of all known numbers; what is unknown (None or not a number) is no fact, and never asked for."""
    facts = []
    for attribute, numbers in attributes.items():
        known = {name: float(number) for name, number in numbers.items() if number is not None}
        known = {name: number for name, number in known.items() if math.isfinite(number)}
        facts += [(name, attribute, str(rank)) for name, rank in ranks(known, values).items()]
    return Table(COMPARISON, tuple(sorted(facts)), source)


def composition(facts: Iterable[tuple[str, str, str | None]], source: str) -> Table:
    """Return facts without those whose object is unknown.

    Raises:
        ValueError: a subject has two objects of one relation, so that a question about it has no one answer.
    """
    known = {(subject, relation, thing) for subject, relation, thing in facts if thing is not None}
    twice = [key for key, number in Counter(fact[:2] for fact in known).items() if number > 1]
    if twice:
        raise ValueError(f"several objects of {min(twice)}")
    return Table(COMPOSITION, tuple(sorted(known)), source)


def labels(candidates: Mapping[int, tuple[str, ...]], taken: Iterable[str] = ()) -> dict[int, str]:
    """Return a name of its own for each thing: the first of its candidates that neither another nor `taken` has.

    Of the two cities of the name Valencia neither is called so, whichever is the larger this year.
    """
    named: dict[int, str] = {}
    used = set(taken)
    for level in range(max(map(len, candidates.values()))):
        left = {key: names[min(level, len(names) - 1)] for key, names in candidates.items() if key not in named}
        frequency = Counter(left.values())
        fresh = {key: name for key, name in left.items() if frequency[name] == 1 and name not in used}
        named |= fresh
        used |= set(fresh.values())
    if len(named) < len(candidates):
        raise ValueError(f"no name of its own for {sorted(set(candidates) - set(named))[:5]}")
    return named


def main(about: str, table: Callable[[int], Table]) -> None:
    """Write the table of a script to the file that its command line names.

    Args:
        table: from a number of ranks, which tables of relations do not have, to the table.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("file", type=Path, help="the CSV file to write")
    parser.add_argument("--values", type=int, default=8, help="ranks that numbers are cut to (default: 8)")
    parser.add_argument("--shuffled", type=int, metavar="SEED", help="permute the values of each attribute: a control")
    options = parser.parse_args()
    made = table(options.values)
    if options.shuffled is not None:
        made = made.shuffled(options.shuffled)
    digest = made.write(options.file)
    print(f"{options.file}: {len(made.facts)} facts from {made.source}, SHA-256 {digest}")
