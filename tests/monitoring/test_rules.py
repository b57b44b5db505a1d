"""Alerts are silent before, fire at the right moment and say what they should: by promtool, over series made up."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.files import MONITORING, alerts, needs_promtool, rule_files, rules
from tests.monitoring.promql import mutants
from tests.support.extended import extended

NAMES = sorted({alert["alert"] for alert in alerts()})
TESTS = MONITORING / "tests"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


@cache
def rule_documents() -> dict[str, Any]:
    """The rule files by their names."""
    return {path.name: yaml.safe_load(path.read_text()) for path in rule_files()}


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *rule_files())
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_unit_test_of_its_name() -> None:
    assert {path.stem for path in TESTS.glob("*.yaml")} == set(NAMES)


@needs_promtool
@pytest.mark.parametrize("name", NAMES)
def test_an_alert_fires_when_it_should(name: str) -> None:
    cases = yaml.safe_load((TESTS / f"{name}.yaml").read_text())["tests"]
    expected = [check["exp_alerts"] for case in cases for check in case["alert_rule_test"]]
    assert [] in expected
    assert any(expected)
    done = promtool("test", "rules", TESTS / f"{name}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("name", "change", "broken"),
    [
        row(alert["alert"], *mutant)
        for alert in alerts()
        for row, mutant in zip(chain([pytest.param], repeat(extended)), mutants(alert["expr"]), strict=False)
    ],  # of the ways to break an alert, the first by default
    ids=lambda value: value if " " not in value.strip() else "",
)
def test_the_unit_test_of_an_alert_sees_a_broken_expression(
    tmp_path: Path, name: str, change: str, broken: str
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "rules").mkdir()
    shutil.copy(TESTS / f"{name}.yaml", tmp_path / "tests")
    for file, document in copy.deepcopy(rule_documents()).items():
        for rule in (rule for group in document["groups"] for rule in group["rules"]):
            if rule.get("alert") == name:
                rule["expr"] = broken
        (tmp_path / "rules" / file).write_text(json.dumps(document))  # JSON is YAML, and quicker to write
    done = promtool("test", "rules", tmp_path / "tests" / f"{name}.yaml")
    assert done.returncode != 0, f"{name} with {change} passes its test:\n{broken}"
    assert "exp:" in done.stdout + done.stderr, "it failed for another reason"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_is_and_leads_to_the_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "dashboard_url", "runbook_url"} == set(alert["annotations"])
    without_control = re.sub(r"\{\{ (?:with|end)\b.*?\}\}", "", alert["annotations"]["summary"])
    assert len(without_control) < 100
    file, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert file.endswith("/" + str((MONITORING / "runbook.md").relative_to(MONITORING.parents[1])))
    sections = re.split(r"^## ", (MONITORING / "runbook.md").read_text(), flags=re.MULTILINE)
    (section,) = [text for text in sections if text.partition("\n")[0].lower() == anchor]
    assert section.startswith(alert["alert"] + "\n")
    meaning, look, do = section.partition("\n\n")[2].partition("\nLook at:")[0], "\nLook at:", "\nDo: "
    assert len(meaning) > 80
    assert look in section
    assert do in section


def test_the_runbook_has_no_section_without_an_alert() -> None:
    assert re.findall(r"^## (\w+)$", (MONITORING / "runbook.md").read_text(), flags=re.MULTILINE) != []
    assert set(re.findall(r"^## (\w+)$", (MONITORING / "runbook.md").read_text(), flags=re.MULTILINE)) == set(NAMES)


def test_recorded_series_are_called_by_level_metric_and_operation() -> None:
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    assert len(recorded) == len(set(recorded)) > 0
    for name in recorded:
        assert re.fullmatch(r"(pod|run|architecture|pipeline):(grokking|kube_pod)_[a-z_]+:[a-z0-9]+", name), name
