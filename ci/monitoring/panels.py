"""The few kinds of Grafana panels that the dashboards are made of, as their JSON model (Grafana 11) has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Query:
    """
    Attributes:
        legend: with `{{label}}` for the value of a label.
    """

    expr: str
    legend: str = ""


def target(query: Query, index: int, **options: Any) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        **options,
    }


def panel(
    kind: str,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str = "none",
    defaults: Json | None = None,
    overrides: Sequence[Json] = (),
    **options: Any,
) -> Json:
    """
    Args:
        description: what a reader sees behind the panel's (i).
        unit: Grafana's id of a unit.
        defaults: of all fields; `overrides` those of some.
        options: further members of the panel.
    """
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [target(query, index) for index, query in enumerate(queries)],
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": list(overrides)},
        **options,
    }


def curves(
    title: str, description: str, *queries: Query, unit: str = "none", log: bool = False, share: bool = False
) -> Json:
    """Lines over time, on a logarithmic axis or one from 0 to 1 where asked for. Gaps stay gaps."""
    custom: Json = {"lineWidth": 2, "fillOpacity": 0, "spanNulls": False, "showPoints": "never"}
    if log:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    limits = {"min": 0, "max": 1} if share else {}
    return panel(
        "timeseries",
        title,
        description,
        queries,
        unit=unit,
        defaults={"custom": custom, **limits},
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def number(title: str, description: str, query: Query, *, unit: str = "none", decimals: int | None = None) -> Json:
    """The latest value, large."""
    return panel(
        "stat",
        title,
        description,
        [query],
        unit=unit,
        defaults={} if decimals is None else {"decimals": decimals},
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "none",
            "graphMode": "none",
            "textMode": "auto",
        },
    )


def timeline(title: str, description: str, query: Query, states: Sequence[tuple[int, str, str]]) -> Json:
    """Bars that change color with the state.

    Args:
        states: value, what it is called, and its color.
    """
    mapped = {str(value): {"text": name, "color": color, "index": value} for value, name, color in states}
    return panel(
        "state-timeline",
        title,
        description,
        [query],
        defaults={
            "mappings": [{"type": "value", "options": mapped}],
            "color": {"mode": "thresholds"},
            "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
        },
        options={"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {"showLegend": True}},
    )


def over_steps(title: str, description: str, steps: Query, *shares: Query) -> Json:
    """Shares over optimizer steps on a logarithmic axis; each point joins what one moment has of both."""
    logarithmic = [
        {"id": "custom.scaleDistribution", "value": {"type": "log", "log": 10}},
        {"id": "unit", "value": "short"},
        {"id": "min", "value": 1},
        {"id": "max", "value": None},
    ]
    return panel(
        "xychart",
        title,
        description,
        [steps, *shares],
        unit="percentunit",
        defaults={"min": 0, "max": 1, "custom": {"show": "points+lines", "pointSize": {"fixed": 3}, "lineWidth": 2}},
        overrides=[{"matcher": {"id": "byName", "options": steps.legend}, "properties": logarithmic}],
        transformations=[{"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}],
        options={
            "mapping": "auto",
            "series": [{"x": {"matcher": {"id": "byName", "options": steps.legend}}}],
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def table(
    title: str, description: str, queries: Sequence[Query], *, columns: dict[str, str], unit: str = "none"
) -> Json:
    """Latest values, one row per set of labels.

    Args:
        columns: new names of columns; that of a value is `Value #A` and so on.
    """
    found = panel(
        "table",
        title,
        description,
        queries,
        unit=unit,
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"renameByName": columns, "excludeByName": {"Time": True}}},
        ],
    )
    found["targets"] = [
        target(query, index, instant=True, range=False, format="table") for index, query in enumerate(queries)
    ]
    return found


def rows(*lines: tuple[int, Sequence[Json]]) -> list[Json]:
    """Panels with their places: lines of equally wide panels, from above, each with its height in grid units."""
    placed: list[Json] = []
    y = 0
    for height, panels in lines:
        width = WIDTH // len(panels)
        for column, item in enumerate(panels):
            position = {"h": height, "w": width, "x": column * width, "y": y}
            placed.append({"id": len(placed) + 1, **item, "gridPos": position})
        y += height
    return placed


def variable(name: str, label: str, query: str, *, several: bool = False) -> Json:
    """
    Args:
        query: as Grafana's `label_values(SERIES, LABEL)`.
        several: more than one value may be chosen, at first all.
    """
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if several else {}),
    }


def dashboard(uid: str, title: str, description: str, variables: Sequence[Json], panels: Sequence[Json]) -> Json:
    """
    Args:
        uid: by which links find it.
    """
    source = {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["grokcore"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "links": [
            {
                "type": "dashboards",
                "title": "grokcore",
                "tags": ["grokcore"],
                "asDropdown": False,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "templating": {"list": [source, *variables]},
        "panels": list(panels),
    }


def as_json(document: Json) -> str:
    return json.dumps(document, indent=2) + "\n"
