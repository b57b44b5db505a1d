"""A component taken from its URL into somebody else's pipeline, as the files of a release are served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, components, dsl

from ci.packages import ROOT, targets
from components import images

COMPONENTS = [target for target in targets() if target.module == "component"]
VALUES: dict[str, Any] = {
    "STRING": "text",
    "NUMBER_INTEGER": 1,
    "NUMBER_DOUBLE": 0.5,
    "BOOLEAN": True,
    "LIST": ["a"],
    "STRUCT": {"a": 1},
}
CLASSES = {"system.Dataset": dsl.Dataset, "system.Model": dsl.Model, "system.Artifact": dsl.Artifact}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def release() -> Iterator[str]:
    """The URL of the tree of a release."""
    handler = partial(_Quiet, directory=str(ROOT))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_there_are_components_to_load() -> None:
    assert len(COMPONENTS) >= 9


@pytest.mark.parametrize("target", COMPONENTS, ids=lambda target: target.name)
def test_every_component_loads_from_its_url_and_compiles_in_a_pipeline_of_its_own(
    target: Any, release: str, tmp_path: Path
) -> None:
    component = components.load_component_from_url(f"{release}/{target.compiled.relative_to(ROOT)}")
    published = yaml.safe_load(target.compiled.read_text())
    inputs = published["root"].get("inputDefinitions", {})
    arguments = {
        name: VALUES[parameter["parameterType"]]
        for name, parameter in inputs.get("parameters", {}).items()
        if not parameter.get("isOptional")
    }

    @dsl.pipeline(name="somebody-elses")
    def somebody_elses():  # type: ignore[no-untyped-def] # kfp takes `-> None` for an output
        artifacts = {name: _brought(artifact) for name, artifact in inputs.get("artifacts", {}).items()}
        component(**arguments, **artifacts)

    compiler.Compiler().compile(somebody_elses, str(tmp_path / "pipeline.yaml"))
    compiled = next(yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text()))
    (container,) = [
        executor["container"]
        for executor in compiled["deploymentSpec"]["executors"].values()
        if "container" in executor
    ]
    (wanted,) = [executor["container"] for executor in published["deploymentSpec"]["executors"].values()]
    assert container == wanted
    assert container["image"] in (images.RUNTIME, images.TRAINER)
    assert target.name.replace("_", "-") in str(compiled["root"]["dag"]["tasks"])


def test_a_url_that_has_no_component_is_an_error(release: str) -> None:
    with pytest.raises(Exception, match="404"):
        components.load_component_from_url(f"{release}/components/training/absent/component.yaml")


def _brought(artifact: dict[str, Any]) -> Any:
    """Foreign data for an input artifact; results of a loop for a list of them."""
    kind = CLASSES[artifact["artifactType"]["schemaTitle"]]
    if not artifact.get("isArtifactList"):
        return dsl.importer(artifact_uri="s3://elsewhere/it", artifact_class=kind).output
    with dsl.ParallelFor(["s3://elsewhere/1", "s3://elsewhere/2"]) as uri:
        brought = dsl.importer(artifact_uri=uri, artifact_class=kind)
    return dsl.Collected(brought.output)
