"""Ids and numbers that may not change unless somebody means to change them.

`ids.json` and `smoke.jsonl` were made once: results that people hold are found by these ids, and compared with these
numbers. A change that is meant raises a version (of a task's generator, of an architecture's semantics) and the files.
`claims.json` freezes the claims before the runs that decide them: their hashes cover test, threshold and conditions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grokcore.claims import LEDGER
from grokcore.runs import read_journal
from grokcore.runs.journal import upgraded
from grokcore.spec import load_spec, preset_names

HERE = Path(__file__).parent
IDS: dict[str, dict[str, str]] = json.loads((HERE / "ids.json").read_text())
CLAIMS: dict[str, dict[str, str]] = json.loads((HERE / "claims.json").read_text())
VARIANTS: dict[str, str] = json.loads((HERE / "variants.json").read_text())


def test_no_preset_is_without_golden_ids() -> None:
    assert set(IDS) == set(preset_names())


@pytest.mark.parametrize("preset", IDS)
def test_the_ids_of_a_preset_stay(preset: str) -> None:
    spec = load_spec(preset)
    found = {"dataset_id": spec.dataset_id, "evaluation_id": spec.evaluation_id, "run_id": spec.run_id}
    assert found == IDS[preset]


@pytest.mark.parametrize("overrides", VARIANTS)
def test_the_ids_of_variants_stay(overrides: str) -> None:
    assert load_spec("smoke", overrides.split(" ")).run_id == VARIANTS[overrides]


def test_no_claim_changes_once_it_is_frozen() -> None:
    """A claim that was badly put stays, and a better one gets a number of its own."""
    found = {str(claim.number): {"id": claim.id, "hash": claim.hash} for claim in LEDGER}
    changed = [number for number, claim in CLAIMS.items() if found.get(number) != claim]
    assert not changed, f"claims {', '.join(changed)} were frozen before runs were judged by them"
    assert found.keys() == CLAIMS.keys(), "add the hash of a new claim to claims.json, before any run of it"


def test_smoke_gives_the_numbers_that_it_always_gave(smoke_run: Path) -> None:
    """Up to rounding, since processors add in another order; numbers added to the journal later are not compared."""
    golden = [upgraded(json.loads(line)) for line in (HERE / "smoke.jsonl").read_text().splitlines()]
    lines = read_journal(smoke_run / "metrics.jsonl")
    assert len(lines) == len(golden)
    for line, expected in zip(lines, golden, strict=True):
        found, wanted = numbers(dict(line)), numbers(expected)
        assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-3, abs=0.02)


def numbers(line: dict[str, Any], prefix: str = "") -> dict[str, float | None]:
    """Return a line's values, the clock aside, by their dotted names; -1 for null."""
    found: dict[str, float | None] = {}
    for key, value in line.items():
        if key == "clock":
            continue
        if isinstance(value, dict):
            found |= numbers(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = -1.0 if value is None else value
    return found
