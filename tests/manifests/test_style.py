"""Manifests are written in one style."""

from __future__ import annotations

import pytest

from tests.manifests.kustomize import MANIFESTS


def test_manifests_are_written_in_one_style() -> None:
    yamllint = pytest.importorskip("yamllint.linter", reason="no yamllint here: pip install yamllint")
    from yamllint.config import YamlLintConfig

    config = YamlLintConfig(file=str(MANIFESTS / ".yamllint"))
    paths = sorted(MANIFESTS.rglob("*.yaml"))
    assert len(paths) > 30
    found = {
        str(path): list(yamllint.run(path.read_text(), config, str(path.relative_to(MANIFESTS)))) for path in paths
    }
    assert {path: problems for path, problems in found.items() if problems} == {}
