"""A store with runs and what a comparison of them has written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from grokcore.reporting import Comparison, build_comparison
from grokcore.runs.record import RunRecord
from tests.reporting.made_up_groups import architectures, write_all
from tests.reporting.pages import Page


@dataclass(frozen=True)
class Written:
    """Runs, the store that they lie in, and the comparison beside them."""

    runs: list[RunRecord]
    store: Path
    comparison: Comparison

    @property
    def directory(self) -> Path:
        return Path(self.comparison.directory)

    @cached_property
    def html(self) -> str:
        return Path(self.comparison.page).read_text("utf-8")

    @cached_property
    def page(self) -> Page:
        return Page(self.html)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The comparison of three architectures; read only."""
    store = tmp_path_factory.mktemp("comparison")
    runs = architectures()
    write_all(runs, store)
    return Written(runs, store, build_comparison([store / "runs"], store / "sweeps" / "architectures"))
