"""Tests of the fast implementation compute with its compiled kernels, or, where they ask for it, without."""

from __future__ import annotations

import pytest

from grokcore.models.fast.kernels import library


@pytest.fixture(autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch` for tests that ask for it: what computes where there is no compiler."""
    if getattr(request, "param", "native") == "torch":
        monkeypatch.setattr(library, "load_kernels", lambda: None)
