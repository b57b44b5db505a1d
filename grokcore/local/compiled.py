"""Where the compiled pipelines are: in the installed package, or in a checkout beside their source."""

from __future__ import annotations

from pathlib import Path

from grokcore.errors import InputError

_PACKAGE = Path(__file__).parents[1]


def pipeline_names() -> list[str]:
    """The pipelines that come with grokcore."""
    installed = {path.stem for path in (_PACKAGE / "compiled").glob("*.yaml")}
    checkout = {path.parent.name for path in _PACKAGE.parent.glob("pipelines/*/*/pipeline.yaml")}
    return sorted(installed | checkout)


def compiled_pipeline(name: str) -> Path:
    """The compiled package of a pipeline.

    Raises:
        InputError: there is no pipeline of that name.
    """
    installed = _PACKAGE / "compiled" / f"{name}.yaml"
    checkout = sorted(_PACKAGE.parent.glob(f"pipelines/*/{name}/pipeline.yaml"))
    for path in (installed, *checkout):
        if path.is_file():
            return path
    raise InputError(f"the compiled pipeline {name} is missing: run ci/compile in the checkout or reinstall grokcore")
