from __future__ import annotations

import pytest

from grokcore.reporting import formatting


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, formatting.NOTHING),
        (float("nan"), formatting.NOTHING),
        (0, "0"),
        (6.2745, "6.27"),
        (1234.5, "1,230"),
        (999.6, "1,000"),
        (0.00123456, "0.00123"),
        (1.2e9, "1.2e9"),
        (4.5678e-7, "4.57e-7"),
    ],
)
def test_three_significant_digits(number: float | None, text: str) -> None:
    assert formatting.significant(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, formatting.NOTHING),
        (0.98765, "98.8 %"),
        (1, "100 %"),
        (0, "0 %"),
        (0.9996, "99.96 %"),
        (0.99999, "99.999 %"),
        (0.0003, "0.03 %"),
        (0.475, "47.5 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_to_nothing(share: float | None, text: str) -> None:
    assert plain(formatting.percent(share)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, formatting.NOTHING),
        (0.42, "0.42 s"),
        (12.3, "12 s"),
        (59.7, "1 min"),
        (72, "1 min 12 s"),
        (3720, "1 h 2 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float | None, text: str) -> None:
    assert plain(formatting.duration(seconds)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, formatting.NOTHING), (1.2e15, "1.20 PFLOP"), (2.31e9, "2.31 GFLOP"), (999.9e9, "1.00 TFLOP")],
)
def test_flops_have_a_prefix(number: float | None, text: str) -> None:
    assert plain(formatting.flops(number)) == text


def test_a_moment_is_shown_in_utc() -> None:
    assert formatting.moment("2026-11-21T10:30:00+01:00") == "2026-11-21 09:30 UTC"
    assert formatting.moment("soon") == "soon"


def test_settings_are_exact_and_seeds_have_no_separators() -> None:
    assert formatting.setting(True) == "yes"
    assert formatting.setting(None) == formatting.setting([]) == "none"
    assert formatting.setting(0.0003) == "0.0003"
    assert formatting.setting(431872) == "431,872"
    assert formatting.setting(431872, "seeds init") == "431872"
    assert formatting.setting([0.9, 0.98]) == "0.9, 0.98"
    assert formatting.setting({"b": 1, "a": None}) == '{"a": null, "b": 1}'
