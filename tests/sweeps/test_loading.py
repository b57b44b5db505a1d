"""Sweeps as people write them: by name, in files, inline; and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.spec import load_spec
from grokcore.sweeps import expand, load_sweep
from grokcore.sweeps.loading import as_yaml

SWEEP = """
name: test
base: smoke
overrides: [training.max_steps=9]
axes:
  - {kind: grid, field: model.layers, values: [1, 2]}
seeds: 0..2
"""


def test_the_base_is_a_preset_an_experiment_or_a_file_beside_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nmodel: {architecture: llama}\n")
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("base: smoke", "base: mine.yaml"))
    assert load_sweep(SWEEP).base == load_spec("smoke", ["training.max_steps=9"])
    assert (
        load_sweep(SWEEP.replace("base: smoke", "base: {model: {architecture: llama}}")).base.model.architecture
        == "llama"
    )
    assert load_sweep(str(tmp_path / "sweep.yaml")).base.name == "mine"


def test_overrides_from_outside_come_after_the_sweeps_own() -> None:
    sweep = load_sweep(SWEEP, ["training.max_steps=4", "task.values=4"])
    assert (sweep.base.training.max_steps, sweep.base.task.values) == (4, 4)  # type: ignore[union-attr]
    assert sweep.seeds == (0, 1, 2)
    assert load_sweep(SWEEP.replace("0..2", "7")).seeds == (7,)


def test_a_sweep_written_out_is_whole_and_loads_as_an_equal_one() -> None:
    sweep = load_sweep(SWEEP)
    text = as_yaml(sweep)
    again = load_sweep(text, allow_files=False)
    assert again == sweep
    assert expand(again) == expand(sweep)
    assert as_yaml(again) == text


def test_no_file_is_read_where_that_is_not_allowed(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    with pytest.raises(InputError, match="there is no sweep"):
        load_sweep(str(tmp_path / "sweep.yaml"), allow_files=False)
    with pytest.raises(InputError, match="base: there is no preset"):
        load_sweep(SWEEP.replace("base: smoke", f"base: {tmp_path / 'mine.yaml'}"), allow_files=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("architectures-smal", "there is no sweep 'architectures-smal': did you mean architectures-small?"),
        ("smoke", "smoke is an experiment, not a sweep: run it with `grokcore run smoke`"),
        ("absent.yaml", "there is no file absent.yaml; sweeps are: "),
        ("[1, 2]\n", "the inline sweep must be a mapping with name, base, axes, seeds"),
        ("name: test\naxes: []", "base is required"),
        ("name: test\nbase: [3]", "base: must be the name of a preset"),
        ("name: test\nbase: demi", "base: there is no preset 'demi': did you mean demo?"),
        ("name: test\nbase: smoke\noverrides: model.layers=2", "overrides must be a list of strings"),
        ("name: test\nbase: smoke\noverrides: [model.depth=2]", "base: model.depth: there is no such field"),
        ("name: a/b\nbase: smoke", "name: string should match pattern"),
        ("name: test\nbase: smoke\nseeds: 0..x", "seeds 0..x: '0..x' is not a seed"),
        ("name: test\nbase: smoke\nseeds: [1, 1]", "seeds: seed 1 is listed twice"),
        ("name: test\nbase: smoke\nseeds: []", "seeds: tuple should have at least 1 item"),
        ("name: test\nbase: smoke\naxis: []", "axis: there is no such field (did you mean axes?)"),
        ("name: test\nbase: smoke\naxes: [{kind: gird}]", "axes.0.kind: 'gird' is not known; allowed are 'grid'"),
        ("name: test\nbase: smoke\naxes: [{kind: grid, field: a}]", "axes.0.values: is required"),
        ("name: test\nbase: smoke\naxes: [{kind: grid, field: a, values: []}]", "axes.0.values: tuple should have at"),
        ("name: test\nbase: smoke\naxes: [{kind: points, points: {a/b: []}}]", "string should match pattern"),
        ("name: test\nbase: smoke\nmost_runs: 0", "most_runs: input should be greater than or equal to 1"),
    ],
)
def test_anything_wrong_is_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_sweep(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
