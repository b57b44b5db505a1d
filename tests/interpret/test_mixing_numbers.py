"""The rows of mixing and attention on a trained run."""

from __future__ import annotations

import math
from pathlib import Path

import grokcore
from grokcore.interpret import read_analysis


def test_a_run_yields_maps_of_every_block_and_the_mass_on_relevant_positions(smoke_run: Path, tmp_path: Path) -> None:
    analyses, out, again = ["mixing", "attention"], tmp_path / "out", tmp_path / "again"
    for place in (out, again):
        grokcore.analyze_model(smoke_run, analyses=analyses, examples=20, out=place)

    assert (out / "analysis.parquet").read_bytes() == (again / "analysis.parquet").read_bytes()
    analysis = read_analysis(str(out))
    step, split = analysis.document.steps[-1], "test_inferred_iid"
    for metric in ("value_zeroing", "input_zeroing", "attention"):
        rows = analysis.numbers(step=step, split=split, metric=metric)
        assert {row["layer"] for row in rows} == set(range(analysis.document.layers))
        rows_of_e2 = [row for row in rows if (row["layer"], row["position"]) == (0, "e2")]
        heads = len({row["case"] for row in rows})
        assert math.isclose(sum(row["value"] for row in rows_of_e2), heads, rel_tol=1e-5)
        assert {row["target"] for row in rows_of_e2} == {"attr", "q", "e1", "mask", "e2"}
    for name in analyses:
        found = [one for one in analysis.document.headlines if (one.split, one.analysis) == (split, name)]
        headlines = {one.metric: one for one in found}
        assert headlines["mass_on_relevant_uniform"].value == 0.5  # attr and e1 of attr, q, e1, mask
        mass = headlines["mass_on_relevant"]
        assert mass.value is not None
        assert mass.lower is not None
        assert mass.upper is not None
        assert 0 < mass.lower <= mass.value <= mass.upper < 1
