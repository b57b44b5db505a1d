"""Synthetic runs, and the browser that reads their reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.synthetic_runs import Recipe, write_run

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run directory: run() or run("name", steps=900)."""

    def write(name: str = "demo", recipe: Recipe | None = None, **changes: Any) -> Path:
        place = tmp_path / "runs" / f"{len(list(tmp_path.glob('runs/*')))}"
        return write_run(place, recipe or Recipe(**{"name": name, **changes}))

    return write


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
