"""Load and validate a sweep from its name, a file or an inline text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, load_spec, preset_names, validate
from grokcore.spec.loading import document_of, looks_like_path
from grokcore.sweeps.spec import SweepSpec

_PACKAGE = "grokcore.sweeps.presets"
_FIELDS = "name, base, axes, seeds"


def sweep_names() -> list[str]:
    """Names of the sweeps that come with grokcore."""
    return sorted(file.name[:-5] for file in resources.files(_PACKAGE).iterdir() if file.name.endswith(".yaml"))


def load_sweep(
    source: str,
    overrides: Iterable[str] = (),
    *,
    allow_files: bool = True,
    notify: Callable[[str], None] = lambda line: None,
) -> SweepSpec:
    """Load a sweep; its base experiment is complete, without references to presets or files.

    Args:
        source: name of a sweep, path of a YAML or JSON file, or the sweep itself as YAML or JSON.
        overrides: `field.subfield=value`, applied to the base experiment after the sweep's own overrides.
        allow_files: whether `source` and its `base` may be paths; a relative `base` is resolved beside the sweep.
        notify: called with a line when an override of the base drops fields that no longer apply.

    Raises:
        InputError: what is wrong and what is allowed.
    """
    if source in preset_names() and source not in sweep_names():
        raise InputError(
            f"{source} is an experiment, not a sweep: run it with `grokcore run {source}`, or write a sweep with "
            f"base: {source}; sweeps are: {', '.join(sweep_names())}"
        )
    overrides = list(overrides)
    document = dict(
        document_of(source, sweep_names(), package=_PACKAGE, what="sweep", fields=_FIELDS, allow_files=allow_files)
    )
    base = document.pop("base", None)
    own = document.pop("overrides", None)
    if base is None:
        raise InputError("base is required: the name of a preset, or an experiment with task, model and training")
    if own is not None and not (isinstance(own, list) and all(isinstance(text, str) for text in own)):
        raise InputError("overrides must be a list of strings, for example [training.max_steps=1000]")
    try:
        experiment = load_spec(
            _base_source(base, source, allow_files), [*(own or ()), *overrides], allow_files=allow_files, notify=notify
        )
    except InputError as error:
        raise InputError(f"base: {error}") from None
    sweep: SweepSpec = validate(SweepSpec, {**document, "base": experiment})
    return with_changes(sweep, overrides)


def with_changes(sweep: SweepSpec, changes: Sequence[str], **fields: Any) -> SweepSpec:
    """Return the sweep with some fields changed, and with a description that lists the changes.

    Args:
        changes: already made in the base, as `field=value`.
    """
    changed_fields = [*changes, *(f"{name}={_text(value)}" for name, value in fields.items())]
    if not changed_fields:
        return sweep
    start = f"{sweep.name}, changed: "
    kept = sweep.description if sweep.description.startswith(start) else start.rstrip()
    unchanged = {name: getattr(sweep, name) for name in sweep.model_fields_set}
    changed: SweepSpec = validate(SweepSpec, {**unchanged, "description": " ".join([kept, *changed_fields]), **fields})
    return changed


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else "null" if value is None else str(value)


def as_document(spec: ExperimentSpec) -> dict[str, Any]:
    """Dump only the fields of an experiment that were set.

    Another architecture then gets its own defaults instead of those of the base.
    """
    return spec.model_dump(mode="json", exclude_unset=True)


def as_yaml(sweep: SweepSpec) -> str:
    """Dump a sweep as YAML that loads to an equal sweep."""
    document = sweep.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _base_source(base: Any, source: str, allow_files: bool) -> str | dict[str, Any]:
    """Resolve `base` to an argument of `load_spec`."""
    if isinstance(base, dict):
        return base
    if not isinstance(base, str):
        raise InputError("must be the name of a preset, or an experiment with task, model and training")
    beside = Path(source).expanduser().parent / base if looks_like_path(source) and "\n" not in source else None
    if allow_files and beside is not None and looks_like_path(base) and beside.is_file():
        return str(beside)
    return base
