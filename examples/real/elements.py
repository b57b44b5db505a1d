"""Which element is heavier, denser, melts later? Facts of the chemical elements for `comparison`, from mendeleev.

python -m examples.real.elements elements.csv
"""

from __future__ import annotations

from importlib.metadata import version

from mendeleev.fetch import fetch_table

from examples.real.tables import Table, comparison, main

COLUMNS = {
    "atomic number": "atomic_number",
    "atomic weight": "atomic_weight",
    "density": "density",
    "electronegativity": "en_pauling",
    "covalent radius": "covalent_radius_pyykko",
    "polarizability": "dipole_polarizability",
    "specific heat": "specific_heat_capacity",
    "heat of evaporation": "evaporation_heat",
    "abundance in the crust": "abundance_crust",
    "abundance in the sea": "abundance_sea",
    "price": "price_per_kg",
    "year of discovery": "discovery_year",
}
"""Attributes, and the column of mendeleev's table of elements that each comes from."""


def table(values: int) -> Table:
    """Return the facts of 118 elements; an element of which a number is not known has no fact of it.

    Phosphorus, sulfur, selenium and tin have allotropes that melt at different temperatures: without one answer there
    is no fact.
    """
    elements = fetch_table("elements").set_index("atomic_number", drop=False)
    names = elements["name"].to_dict()
    points = fetch_table("phasetransitions").drop_duplicates("atomic_number", keep=False).set_index("atomic_number")
    numbers = {attribute: elements[column].to_dict() for attribute, column in COLUMNS.items()}
    numbers["melting point"] = points["melting_point"].to_dict()
    numbers["boiling point"] = points["boiling_point"].to_dict()
    ions = fetch_table("ionizationenergies")
    first = ions[ions["ion_charge"] == 0].set_index("atomic_number")
    numbers["ionization energy"] = first["ionization_energy"].to_dict()
    attributes = {
        attribute: {names[number]: value for number, value in known.items()} for attribute, known in numbers.items()
    }
    return comparison(attributes, values, f"mendeleev {version('mendeleev')}")


if __name__ == "__main__":
    main(__doc__, table)
