"""Generated files of manifests/monitoring: `ci/manifests [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ci.monitoring.comparison_dashboard import dashboard_of_runs
from ci.monitoring.panels import as_json
from ci.monitoring.rules import prometheus_rule
from ci.monitoring.run_dashboard import dashboard_of_run

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "monitoring"


def build() -> dict[Path, str]:
    """Every generated file, by path."""
    return {
        MONITORING / "prometheusrule.yaml": prometheus_rule(MONITORING / "rules"),
        MONITORING / "dashboards" / "run.json": as_json(dashboard_of_run()),
        MONITORING / "dashboards" / "comparison.json": as_json(dashboard_of_runs()),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ci/manifests", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file has drifted")
    check = parser.parse_args(arguments).check
    drifted = [path for path, text in build().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in drifted:
        print(f"{'drifted' if check else 'wrote'} {path.relative_to(ROOT)}", file=sys.stderr)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(build()[path], encoding="utf-8")
    if check and drifted:
        print("run ci/manifests and commit what it writes", file=sys.stderr)
    return int(check and bool(drifted))


if __name__ == "__main__":
    sys.exit(main())
