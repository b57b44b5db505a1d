"""Generated files of manifests/monitoring: dashboards, and the rules as a resource."""

from __future__ import annotations

from pathlib import Path

from ci.monitoring.cluster_dashboard import dashboard_of_cluster
from ci.monitoring.comparison_dashboard import dashboard_of_runs
from ci.monitoring.panels import as_json
from ci.monitoring.rules import prometheus_rule
from ci.monitoring.run_dashboard import dashboard_of_run

MONITORING = Path(__file__).parents[2] / "manifests" / "monitoring"


def monitoring_files() -> dict[Path, str]:
    """Every generated file, by path."""
    return {
        MONITORING / "prometheusrule.yaml": prometheus_rule(MONITORING / "rules"),
        MONITORING / "dashboards" / "run.json": as_json(dashboard_of_run()),
        MONITORING / "dashboards" / "comparison.json": as_json(dashboard_of_runs()),
        MONITORING / "dashboards" / "cluster.json": as_json(dashboard_of_cluster()),
    }
