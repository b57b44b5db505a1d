"""A compiled pipeline as Kubernetes resources, for those who apply pipelines instead of uploading them (GitOps)."""

from __future__ import annotations

from typing import Any

import yaml

from grokcore.cluster.kubeflow.package import PipelinePackage

API_VERSION = "pipelines.kubeflow.org/v2beta1"


def resources_of(package: PipelinePackage, namespace: str | None = None) -> list[dict[str, Any]]:
    """A Pipeline and its PipelineVersion, named by its content, since Kubeflow lets no version be changed."""
    where = {"namespace": namespace} if namespace else {}
    description = {"description": package.description} if package.description else {}
    platform = {"platformSpec": dict(package.platform)} if package.platform else {}
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "Pipeline",
            "metadata": {"name": package.name, **where},
            "spec": {"displayName": package.name, **description},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "PipelineVersion",
            "metadata": {"name": package.version, **where},
            "spec": {
                "displayName": package.version,
                "pipelineName": package.name,
                "pipelineSpec": dict(package.spec),
                **platform,
                **description,
            },
        },
    ]


def as_manifest(package: PipelinePackage, namespace: str | None = None) -> str:
    """The resources as YAML."""
    return yaml.safe_dump_all(resources_of(package, namespace))
