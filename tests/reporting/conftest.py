"""A store with runs and what a comparison of them has written, and the browser that reads pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from grokcore.reporting import Comparison, build_comparison
from grokcore.runs.record import RunRecord
from tests.reporting.made_up_groups import architectures, write_all
from tests.reporting.pages import Page
from tests.reporting.visits import Visit

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    executable = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
    if executable is None:
        pytest.skip("no chromium here: apt-get install chromium fonts-dejavu-core")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a page; at the end, nothing may have gone wrong on any."""
    visits: list[Visit] = []

    def open_page(html: str, **options: Any) -> Visit:
        visits.append(Visit(browser, html, **options))
        return visits[-1]

    yield open_page
    for one in visits:
        one.page.close()
    assert [problem for one in visits for problem in one.problems] == []
