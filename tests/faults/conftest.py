"""Faults are tried as often as asked: once by default, a few times with the extended tests, or as `--tries` says.

Many times: `pytest tests/faults -m "" --tries N`.

A test marked `fault(row, tries)` that takes the fixture `trial` runs once for each of its seeds. What becomes of each
is added as a JSON line to the file that `--faults-results` names: row, tries, losses and seed.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.extended import extended


@dataclass(frozen=True)
class Trial:
    """One try, with random numbers of its own."""

    seed: int
    random: random.Random = field(compare=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--tries", type=int, help="how often each random fault is tried (default: a few times)")
    group.addoption("--faults-seed", type=int, default=0, help="seed of the first try (default: %(default)s)")
    group.addoption("--faults-results", help="file to which a JSON line is added for each try")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trial" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("fault")
        assert marker is not None, f"{metafunc.function.__name__} says not which fault it tries"
        tries = metafunc.config.getoption("--tries", None) or marker.args[1]
        first = metafunc.config.getoption("--faults-seed", 0)
        metafunc.parametrize("trial", [first, *map(extended, range(first + 1, first + tries))], indirect=True)


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    return Trial(request.param, random.Random(request.param))  # noqa: S311 - chance, not secrets


@pytest.fixture
def stride(request: pytest.FixtureRequest) -> int:
    """The distance of the points at which a process is killed: 1 where tries are asked for."""
    return 1 if request.config.getoption("--tries", None) else 6


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    marker, path = item.get_closest_marker("fault"), item.config.getoption("--faults-results", None)
    if marker is not None and path and report.when == "call" and not report.skipped:
        seed = getattr(item, "callspec", None) and item.callspec.params.get("trial")
        tries = dict(item.user_properties).get("tries", 1)
        line = {"row": marker.args[0], "tries": tries, "losses": int(report.failed), "seed": seed, "test": item.nodeid}
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(handle, json.dumps(line).encode() + b"\n")
        os.close(handle)
    return report
