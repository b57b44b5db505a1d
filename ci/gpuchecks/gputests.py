"""The tests that skip without a GPU: those marked `gpu`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from ci.gpuchecks.setting import AbsentError, Setting

ROOT = Path(__file__).parents[2]
MARK = "mark.gpu"


def run_tests(setting: Setting) -> None:
    """Run them, and only the files that have some: others may import what a lent machine lacks."""
    if importlib.util.find_spec("pytest") is None:
        raise AbsentError("pytest is not installed and no wheel of it was carried along")
    report = setting.out / "logs" / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run([*command, f"--junitxml={report}", *map(str, test_files())], cwd=ROOT, check=False)
    if not report.exists():
        raise RuntimeError(f"pytest ended with {done.returncode} and wrote no report; see logs/tests.log")
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        outcome = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        test = f"{case.get('classname')}::{case.get('name')}"
        setting.add(test=test, outcome=outcome)
        if outcome in ("failure", "error"):
            setting.problem(f"{test}: {outcome}")


def test_files() -> list[Path]:
    """Return the files with tests that need a GPU."""
    found = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if MARK in path.read_text("utf-8")]
    return [path for path in found if path.name != "test_gpu.py"]
