"""The browser that reads pages: one for all tests of a process, since Playwright runs once in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
