"""What stands right of the element below carbon? Two-hop facts of the periodic table for `composition`, from mendeleev.

python -m examples.real.periodic_table periodic-table.csv

Carbon    below         Silicon
Silicon   next          Phosphorus
Carbon    group         group 14
group 14  last          Flerovium
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise

from mendeleev.fetch import fetch_table

from examples.real.tables import Table, composition, main


def table(values: int = 0) -> Table:
    """Return the facts of 118 elements and of the groups, periods, blocks and series that they belong to."""
    return composition(_facts(), f"mendeleev {version('mendeleev')}")


def further() -> Table:
    """Return further facts of the elements, which lead on from them and nowhere else: to augment the table by."""
    elements = fetch_table("elements")
    relations = {
        "symbol": "symbol",
        "lattice": "lattice_structure",
        "geochemical class": "geochemical_class",
        "class of Goldschmidt": "goldschmidt_class",
        "place of discovery": "discovery_location",
    }
    facts = (
        (element, relation, f"{relation} {thing}")
        for relation, column in relations.items()
        for element, thing in zip(elements["name"], elements[column], strict=True)
        if isinstance(thing, str)
    )
    return composition(facts, f"further facts of mendeleev {version('mendeleev')}")


def _facts() -> Iterator[tuple[str, str, str]]:
    elements = fetch_table("elements").sort_values("atomic_number")
    series = fetch_table("series").set_index("id")["name"]
    names = elements["name"].tolist()
    for one, other in pairwise(names):
        yield one, "next", other
        yield other, "previous", one
    families = {
        "group": elements["group_id"].map("group {:.0f}".format, na_action="ignore"),
        "period": elements["period"].map("period {}".format),
        "block": elements["block"].map("{}-block".format),
        "series": elements["series_id"].map(series),
    }
    for relation, family in families.items():
        for name, members in elements["name"].groupby(family, sort=False):
            members = members.tolist()
            yield name, "first", members[0]
            yield name, "last", members[-1]
            yield name, "kind", relation
            for member in members:
                yield member, relation, name
            if relation in ("group", "series"):
                above, below = ("above", "below") if relation == "group" else ("lighter", "heavier")
                for one, other in pairwise(members):
                    yield one, below, other
                    yield other, above, one


if __name__ == "__main__":
    main(__doc__, table)
