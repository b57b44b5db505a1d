"""A package on the server: uploaded once for each content."""

from __future__ import annotations

from dataclasses import dataclass

from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.errors import ConflictError
from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.cluster.kubeflow.records import Pipeline, Version


@dataclass(frozen=True)
class Upload:
    """
    Attributes:
        made: False where the server had this content already.
    """

    version: Version
    made: bool


def upload(api: KubeflowApi, package: PipelinePackage) -> Upload:
    """The package as a version of its pipeline, which is made where it is not there.

    A version is named by what is in it, so the same content is never uploaded twice, by whomever and from wherever.
    """
    pipeline = _pipeline(api, package)
    found = _version(api, package, pipeline)
    if found is not None:
        return Upload(found, made=False)
    try:
        return Upload(api.upload_version(package, pipeline.id), made=True)
    except ConflictError:
        found = _version(api, package, pipeline)  # somebody was faster
        if found is None:
            raise
        return Upload(found, made=False)


def _pipeline(api: KubeflowApi, package: PipelinePackage) -> Pipeline:
    found = api.pipeline(package.name)
    if found is not None:
        return found
    try:
        return api.create_pipeline(package.name, package.description)
    except ConflictError:
        found = api.pipeline(package.name)
        if found is None:  # it is there, but for others
            raise
        return found


def _version(api: KubeflowApi, package: PipelinePackage, pipeline: Pipeline) -> Version | None:
    return next((version for version in api.versions(pipeline.id) if version.name == package.version), None)
