"""Validate resources as an API server does, by the schemas of Kubernetes and of custom resources."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

CONTRACTS = Path(__file__).parents[2].parent / "shared" / "contracts"
KUBERNETES = "1.30"


@functools.cache
def custom_validator(group: str, plural: str, version: str) -> Any:
    """Validator of a custom resource that refuses unknown fields."""
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema here: pip install jsonschema")
    path = CONTRACTS / f"{group}_{plural}.crd.yaml"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the checkout, in ../shared/contracts")
    definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    (found,) = [item for item in definition["spec"]["versions"] if item["name"] == version]
    return jsonschema.Draft202012Validator(closed(found["schema"]["openAPIV3Schema"]))


def closed(schema: Any) -> Any:
    """A schema in which a field that is not named is an error, as strict validation by an API server has it."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema and schema["properties"]:
        result["additionalProperties"] = False
    if isinstance(result.get("pattern"), str):  # Go has flags in the middle
        result["pattern"] = result["pattern"].replace("^(?i)", "(?i)^")
    return result


def validate_custom(resource: dict[str, Any], plural: str) -> None:
    """
    Raises:
        jsonschema.ValidationError: it is not what its definition allows.
    """
    group, version = resource["apiVersion"].split("/")
    custom_validator(group, plural, version).validate(resource)


def validate_builtin(resource: dict[str, Any]) -> None:
    """
    Raises:
        kubernetes_validate.ValidationError: Kubernetes would refuse it, or drop one of its fields.
    """
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="no kubernetes-validate here: pip install kubernetes-validate"
    )
    kubernetes_validate.validate(resource, KUBERNETES, strict=True)
