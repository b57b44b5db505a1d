"""The files of manifests/monitoring, read as the tests need them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "monitoring"
RULES = MONITORING / "rules"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool here: apt-get install prometheus"
)


def rule_files() -> list[Path]:
    return sorted(RULES.glob("*.yaml"))


def rules() -> list[dict[str, Any]]:
    """Every recording rule and alert."""
    groups = [group for path in rule_files() for group in yaml.safe_load(path.read_text())["groups"]]
    found = [rule for group in groups for rule in group["rules"]]
    assert found, f"no rule in {RULES}: nothing was checked"
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def dashboards() -> dict[str, dict[str, Any]]:
    found = {path.stem: json.loads(path.read_text()) for path in (MONITORING / "dashboards").glob("*.json")}
    assert found, "no dashboard: nothing was checked"
    return found


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Where, and the expression, of every panel and variable; Grafana's variables as they stand."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            yield from ((f"{name}: {panel['title']}", target["expr"]) for target in panel["targets"])
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                series = variable["definition"].removeprefix("label_values(").rpartition(",")[0]
                yield f"{name}: ${variable['name']}", series


def documents(name: str) -> list[dict[str, Any]]:
    """The resources in a manifest."""
    return list(yaml.safe_load_all((MONITORING / name).read_text()))
