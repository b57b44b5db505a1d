"""What the charts of a comparison are drawn from."""

from __future__ import annotations

import math

import pytest
from bokeh.models.glyphs import Segment
from hypothesis import given
from hypothesis import strategies as st

from grokcore.evaluation.samples import band_of
from grokcore.evaluation.survival import kaplan_meier, times_of
from grokcore.reporting.accuracy_charts import bands_of
from grokcore.reporting.axis import value_axis
from grokcore.reporting.links import relative_url
from grokcore.reporting.outcomes import outcomes_of
from grokcore.reporting.study import study_of
from grokcore.reporting.time_charts import dose_responses, stairs, strata_of
from grokcore.runs.groups import groups_of
from tests.reporting.made_up_groups import OOD, architectures, grid, run_of


def test_axes_are_what_tells_groups_apart_and_styles_differ() -> None:
    for runs, names in (
        (architectures(), ["model.architecture"]),
        (grid((5, 10, 20), (0.1, 0.4), seeds=1), ["task.values", "training.weight_decay"]),
        (grid(tuple(range(5, 45)), (0.1,), seeds=1), ["task.values"]),
    ):
        study = study_of(groups_of(runs))
        assert [axis.name for axis in study.axes] == names
        assert len({(style.color, style.dash) for style in study.styles}) == len(study.groups)


def test_two_axes_are_told_by_color_and_by_dash() -> None:
    study = study_of(groups_of(grid((5, 10, 20), (0.1, 0.4), seeds=1)))
    looks = {
        (group.settings["task.values"], group.settings["training.weight_decay"]): style
        for group, style in zip(study.groups, study.styles, strict=True)
    }
    assert looks[5, 0.1].color == looks[5, 0.4].color != looks[10, 0.1].color
    assert looks[5, 0.1].dash == looks[20, 0.1].dash != looks[5, 0.4].dash


def test_values_stand_in_their_order() -> None:
    (axis,) = study_of(groups_of(grid((40, 5, 10), (0.1,), seeds=1))).axes
    assert axis.values == (5, 10, 40)


def test_bands_are_those_of_the_evaluation() -> None:
    groups = groups_of(architectures())
    bands = bands_of(study_of(groups))
    assert not bands.thinned
    for number, group in enumerate(groups):
        assert bands.of[number, OOD] == band_of(group.runs, OOD)


def test_a_survival_curve_is_drawn_corner_by_corner() -> None:
    runs = [run_of(f"seed={seed}", ood=ood) for seed, ood in enumerate((800, 1500, None))]
    study = study_of(groups_of(runs))
    known = kaplan_meier(times_of(runs, OOD))
    drawn = stairs(study, known, 0.0)
    assert drawn["share"][0] == 1
    assert drawn["step"][-1] == known.last == 2000
    for step, share in zip(known.steps, known.share, strict=True):
        place = drawn["step"].index(step)
        assert drawn["share"][place] == drawn["share"][place - 1]  # along, then down
        assert drawn["share"][place + 1] == pytest.approx(share, abs=1e-5)
    assert drawn["y"] == sorted(drawn["y"], reverse=True)
    first = drawn["step"].index(known.steps[0])
    assert drawn["lower"][: first + 1] == drawn["share"][: first + 1], "no band is drawn before anybody got there"
    assert drawn["low"][first] == pytest.approx(known.lowest, abs=1e-5), "though a tooltip tells its limits"
    assert drawn["lower"][first + 1] < drawn["share"][first + 1]


def test_doses_have_error_bars_from_six_seeds_on() -> None:
    def bars(seeds: int) -> int:
        study = study_of(groups_of(grid((5, 10), (0.1,), seeds=seeds)))
        (dose, *_) = dose_responses(study, outcomes_of(study))
        segments = [one for one in dose.charts[-1].figure.renderers if isinstance(one.glyph, Segment)]
        return sum(len(one.data_source.data["x"]) for one in segments)

    assert bars(5) == 0
    assert bars(6) == 2


def test_strata_agree_in_all_but_the_axis() -> None:
    study = study_of(groups_of(grid((5, 10), (0.1, 0.4), seeds=1)))
    values, decay = study.axes
    assert [stratum.label for stratum in strata_of(study, values)] == [
        "training.weight_decay 0.1",
        "training.weight_decay 0.4",
    ]
    for stratum in strata_of(study, decay):
        assert [value for value, _ in stratum.groups] == [0.1, 0.4]
        assert len({study.groups[number].settings["task.values"] for _, number in stratum.groups}) == 1


@given(st.lists(st.one_of(st.just(0), st.floats(1e-6, 1e6)), min_size=1, max_size=8, unique=True))
def test_a_value_axis_keeps_the_order_and_a_place_for_each_value(values: list[float]) -> None:
    axis = value_axis(values)
    places = [axis.places[value] for value in sorted(values)]
    assert places == sorted(places)
    assert all(math.isfinite(place) for place in places)
    low, high = axis.limits
    assert all(low < place < high for place in places)


def test_values_over_orders_of_magnitude_are_spaced_by_their_logarithms_and_zero_stands_left() -> None:
    axis = value_axis([0, 0.01, 0.1, 1])
    gaps = [right - left for left, right in zip(axis.places.values(), list(axis.places.values())[1:], strict=False)]
    assert gaps == pytest.approx([1, 1, 1])
    assert axis.scale == "log scale; 0 at the left edge"
    assert not value_axis([2, 4, 6, 8]).is_logarithmic


@pytest.mark.parametrize(
    ("uri", "page", "expected"),
    [
        ("/store/runs/1/local", "/store/sweeps/s", "../../runs/1/local/"),
        ("file:///store/runs/1", "/store", "./runs/1/"),
        ("/store/javascript:alert(1)", "/store", "./javascript%3Aalert%281%29/"),
        ("/store/a b/<i>", "/store/s", "../a%20b/%3Ci%3E/"),
        ("s3://lab/runs/1", "s3://lab/sweeps/s", "../../runs/1/"),
        ("s3://other/runs/1", "s3://lab/sweeps/s", None),
        ("s3://lab/runs/1", "/store/sweeps/s", None),
        ("/elsewhere/runs/1", "/store/sweeps/s", None),
        ("/store/runs/1", "/store/a/b/c/d/e", None),
    ],
)
def test_links_stay_in_the_store_and_carry_no_scheme(uri: str, page: str, expected: str | None) -> None:
    assert relative_url(uri, page) == expected
