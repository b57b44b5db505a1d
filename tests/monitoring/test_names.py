"""Dashboards and rules ask only for what there is."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ci.monitoring.generated import monitoring_files
from grokcore.telemetry.metrics import METRICS
from tests.monitoring.cluster import FOREIGN
from tests.monitoring.files import dashboard_queries, dashboards, rules
from tests.monitoring.promql import grouping_labels, series

TARGET_LABELS = {"job", "instance", "namespace", "pod", "le"}
"""What a scrape adds, and what a histogram has."""
LABELS = {name: set(metric.labels) for metric in METRICS for name in metric.series}
LABELS |= {series.name: set(series.labels) for series in FOREIGN}


def queries() -> list[tuple[str, str]]:
    found = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    found += dashboard_queries()
    assert len(found) > 60
    return found


def known_labels() -> dict[str, set[str]]:
    """The labels that each series may have, exposed or recorded: those of all that it is made of."""
    known = dict(LABELS)
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    for _ in recorded:  # one is made of another
        for name, query in recorded.items():
            known[name] = set().union(*(known.get(part, set()) for part, _ in series(query)))
    return known


def test_every_series_is_exposed_or_recorded_and_has_the_labels_it_is_selected_by() -> None:
    known = known_labels()
    checked = 0
    for place, query in queries():
        for name, labels in series(query):
            assert name in known, f"{place}: nothing is called {name}"
            assert labels <= known[name] | TARGET_LABELS, f"{place}: {name} has no label {labels - known[name]}"
            checked += 1
    assert checked > 100


def test_every_label_that_is_grouped_by_is_one_of_a_series_in_the_query() -> None:
    known = known_labels()
    checked = 0
    for place, query in queries():
        there = TARGET_LABELS.union(*(known[name] for name, _ in series(query)))
        assert grouping_labels(query) <= there, f"{place}: {grouping_labels(query) - there} is no label there"
        checked += len(grouping_labels(query))
    assert checked > 100


def test_alerts_name_only_labels_that_they_have() -> None:
    known = known_labels()
    for rule in rules():
        if "alert" not in rule:
            continue
        there = TARGET_LABELS.union(*(known[name] for name, _ in series(rule["expr"])))
        text = " ".join(rule["annotations"].values())
        named = set(re.findall(r"\$labels\.(\w+)", text))
        assert named
        assert named <= there, f"{rule['alert']} names {named - there}"


def test_an_alert_links_to_a_dashboard_and_fills_in_variables_that_it_has() -> None:
    variables = {
        dashboard["uid"]: {variable["name"] for variable in dashboard["templating"]["list"]}
        for dashboard in dashboards().values()
    }
    linked = set()
    for rule in rules():
        if "alert" in rule:
            url = urlsplit(rule["annotations"]["dashboard_url"])
            uid = url.path.removeprefix("/d/")
            linked.add(uid)
            given = {part.partition("=")[0].removeprefix("var-") for part in url.query.split("&") if part}
            assert given <= variables[uid], rule["alert"]
    assert linked == {"grokcore-run", "grokcore-cluster"}


def test_every_series_of_others_is_asked_for() -> None:
    asked = {name for _, query in queries() for name, _ in series(query)}
    assert {one.name for one in FOREIGN} <= asked


def test_every_metric_is_on_a_dashboard_or_in_a_rule() -> None:
    asked = {name for _, query in queries() for name, _ in series(query)}
    assert {metric.name for metric in METRICS if not asked & set(metric.series)} == set()


def test_generated_files_are_what_their_sources_say() -> None:
    for path, text in monitoring_files().items():
        assert path.read_text("utf-8") == text, f"{path} has drifted: run ci/manifests"


def test_no_two_panels_lie_on_each_other_and_each_explains_itself() -> None:
    for name, dashboard in dashboards().items():
        places = set()
        for panel in dashboard["panels"]:
            assert panel["title"], f"{name} has a panel without title"
            assert panel["description"], f"{name}: {panel['title']} is not explained"
            grid = panel["gridPos"]
            cells = {(x + grid["x"], y + grid["y"]) for x in range(grid["w"]) for y in range(grid["h"])}
            assert not cells & places, f"{name}: {panel['title']} covers another panel"
            assert all(0 <= x < 24 for x, _ in cells)
            places |= cells
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
        assert len({dashboard["uid"] for dashboard in dashboards().values()}) == len(dashboards())
