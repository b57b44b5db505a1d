"""Bodies of custom resources held against their CRD, as strictly as an API server that was asked to be strict."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"


class Schema:
    """The OpenAPI schema of a CRD's version."""

    def __init__(self, crd: Path, version: str) -> None:
        from jsonschema import Draft202012Validator

        (document,) = [one for one in yaml.load_all(crd.read_text(), yaml.CSafeLoader) if one]
        (found,) = [one for one in document["spec"]["versions"] if one["name"] == version]
        schema = _strict(found["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        self._validator = Draft202012Validator(schema)

    def problem(self, body: Any) -> str | None:
        """What is wrong with a body, the innermost first; None where nothing is."""
        errors = sorted(self._validator.iter_errors(body), key=lambda error: len(error.absolute_path), reverse=True)
        return f"{'.'.join(str(part) for part in errors[0].absolute_path)}: {errors[0].message}" if errors else None


@cache
def trainjob_schema() -> Schema | None:
    """That of TrainJobs; None where the contracts are not beside the checkout."""
    crd = CONTRACTS / "trainer.kubeflow.org_trainjobs.crd.yaml"
    return Schema(crd, "v1alpha1") if crd.is_file() else None


def _strict(schema: Any) -> Any:
    """The schema, which then allows no field that it does not know."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if isinstance(strict.get("properties"), dict) and not strict.get("x-kubernetes-preserve-unknown-fields"):
        strict.setdefault("additionalProperties", False)
    return strict
