"""Augment a file of relations by facts that are drawn at random, and so false, to raise its phi.

    python -m examples.real.augment data/facts.csv augmented.csv --facts 500

A drawn fact leads on from an entity that facts lead to, by a relation of its own (`drawn 1`, `drawn 2`, ..), to any
entity: every way to its head goes on over it.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from examples.real.tables import COMPOSITION, Fact, Table, composition


def drawn(facts: tuple[Fact, ...], count: int, seed: int) -> Table:
    """Draw facts, as evenly over the bridges of `facts` as possible.

    Raises:
        ValueError: no fact leads to an entity that others lead on from, so that nothing chains.
    """
    order = random.Random(seed)  # noqa: S311 - a draw, no secret
    subjects, objects = {fact[0] for fact in facts}, {fact[2] for fact in facts}
    bridges, entities = sorted(subjects & objects), sorted(subjects | objects)
    if not bridges:
        raise ValueError("no fact leads to an entity that has facts of its own")
    order.shuffle(bridges)
    rounds = [divmod(number, len(bridges)) for number in range(count)]
    found = ((bridges[place], f"drawn {turn + 1}", order.choice(entities)) for turn, place in rounds)
    return composition(found, f"{count} facts drawn by {seed}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source", type=Path, help="CSV file of subject, relation, object, such as a dataset's facts.csv"
    )
    parser.add_argument("file", type=Path, help="the CSV file to write")
    parser.add_argument("--facts", type=int, required=True, help="facts to draw")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    options = parser.parse_args(arguments)
    with options.source.open(encoding="utf-8", newline="") as file:
        facts = tuple((row["subject"], row["relation"], row["object"]) for row in csv.DictReader(file))
    table = Table(COMPOSITION, facts, str(options.source)).augmented_by(drawn(facts, options.facts, options.seed))
    print(f"{options.file}: {len(facts)} facts and {options.facts} augmented, SHA-256 {table.write(options.file)}")


if __name__ == "__main__":
    main()
