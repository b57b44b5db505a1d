"""Changes to single fields of a spec, as `model.layers=4` on a command line or as a value from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from grokcore.documents import PlainText, parse_plain_yaml
from grokcore.documents.plain import is_null
from grokcore.errors import InputError
from grokcore.spec.shown import shown
from grokcore.spec.validation import UNIONS


@dataclass(frozen=True)
class Override:
    """A field and its new value.

    Attributes:
        path: the parts of the field's dotted name.
        value: PlainText is read as what the field takes; any other value must have the field's type.
    """

    path: tuple[str, ...]
    value: Any

    @property
    def field(self) -> str:
        """The dotted name."""
        return ".".join(self.path)

    @property
    def text(self) -> str:
        """The value as it would be written on a command line, in one line."""
        return str(self.value) if isinstance(self.value, str) else json.dumps(self.value, default=str)

    @property
    def selected(self) -> str | None:
        """The section of which the override chooses another class, as task.kind does of the task."""
        union = UNIONS.get(self.path[0])
        return self.path[0] if union is not None and self.path[1:] == (union.chooser,) else None


_LONGEST = 2**16
"""Characters of overrides that are given as one text."""


def parse_override(text: str) -> Override:
    """Split `model.layers=4` into field and value; everything after the first = is the value, quotes included.

    Raises:
        InputError: it is not of the form field=value.
    """
    field, separator, value = text.partition("=")
    path = tuple(field.strip().split("."))
    if not separator or not all(path):
        raise InputError(f"override {shown(text)} must read field=value, for example model.layers=4")
    return Override(path, PlainText(value))


def split_overrides(text: str) -> list[str]:
    """`a.b=1 c.d="two words"` as a list of overrides; quotes are taken off as a shell does."""
    if len(text) > _LONGEST:
        raise InputError(f"overrides of {len(text)} characters are too long: at most {_LONGEST} are read")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(f"overrides {shown(text)} cannot be read: {error}") from None


def override_all(
    document: dict[str, Any], overrides: Iterable[str | Override], notify: Callable[[str], None]
) -> list[Override]:
    """Apply overrides in order, those that choose a class first.

    Args:
        document: the document, not yet validated; changed in place.
        notify: called with a line when another architecture or kind drops fields that no longer apply.

    Returns:
        The overrides in the order in which they were given.

    Raises:
        InputError: one is not of the form field=value, or names a field of a value without fields.
    """
    changes = [parse_override(change) if isinstance(change, str) else change for change in overrides]
    for change in sorted(changes, key=lambda change: change.selected is None):
        if change.selected is None:
            _assign(document, change)
        else:
            _choose(document, change.selected, change.value, notify)
    return changes


def _choose(document: dict[str, Any], section: str, choice: Any, notify: Callable[[str], None]) -> None:
    """Choose another class for a section and drop the fields that it does not have."""
    current = _fields(document, section)
    if current is None:
        raise InputError(f"{section} must be a mapping, got {shown(document[section])}")
    chooser = UNIONS[section].chooser
    current[chooser] = choice
    selected = UNIONS[section].member(choice.strip() if isinstance(choice, str) else choice)
    if selected is None:
        return
    dropped = [name for name in current if name not in selected.model_fields]
    for name in dropped:
        del current[name]
    dropped = [name for name in dropped if name not in ("plugin", "held_out")]  # these nobody has written
    if dropped:
        fields = ", ".join(f"{section}.{name}" for name in dropped)
        notify(
            f"{section}.{chooser}={choice}: dropped {fields}, which {'do' if len(dropped) > 1 else 'does'} not apply"
        )


def _assign(document: dict[str, Any], change: Override) -> None:
    place = document
    for depth, part in enumerate(change.path[:-1], 1):
        inner = _fields(place, part)
        if inner is None:
            raise InputError(f"{change.field}: {'.'.join(change.path[:depth])} has no fields of its own")
        place = inner
    place[change.path[-1]] = change.value


def _fields(place: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the mapping in a field, created if the field is empty; None if it holds something else."""
    value = place.get(name)
    if isinstance(value, PlainText):  # from an earlier override, or nothing after a colon
        value = parse_plain_yaml(value, name) if value.lstrip().startswith("{") else value
    if value is None or (isinstance(value, PlainText) and is_null(value.strip())):
        value = {}
    if not isinstance(value, dict):
        return None
    place[name] = value
    return value
