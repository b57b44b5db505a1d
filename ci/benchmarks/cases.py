"""Benchmark cases: a model on its task, by architecture and loss."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from grokcore.errors import InputError
from grokcore.models import ARCHITECTURES
from grokcore.spec import ExperimentSpec, load_spec

LOSSES = ("answer", "answer_and_eos")

MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "demo": ("demo", ()),
    "demo-128": ("demo", ("model.width=128",)),
    "modular": ("modular", ()),
    "thesis": ("thesis-fast", ()),
    "smoke": ("smoke", ("model.layers=2",)),
}
"""By name: a preset, and what is changed in it. `demo-128` has the size of most published small models; `smoke` serves
the tests."""


@dataclass(frozen=True)
class Case:
    """All variants of a case do the same work, so that their times can be divided by each other."""

    model: str
    architecture: str
    loss_on: str

    def __str__(self) -> str:
        return f"{self.model} {self.architecture}, loss on {self.loss_on}"

    def spec(self, *overrides: str) -> ExperimentSpec:
        preset, changes = MODELS[self.model]
        chosen = (f"model.architecture={self.architecture}", f"training.loss_on={self.loss_on}")
        return load_spec(preset, (*changes, *chosen, *overrides))


def cases(models: Iterable[str], architectures: Iterable[str], losses: Iterable[str]) -> list[Case]:
    """Every combination.

    Raises:
        InputError: a name is not known.
    """
    models, architectures, losses = list(models), list(architectures), list(losses)
    check_names("model", models, MODELS)
    check_names("architecture", architectures, ARCHITECTURES)
    check_names("loss", losses, LOSSES)
    return [Case(model, kind, loss) for model in models for kind in architectures for loss in losses]


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """
    Raises:
        InputError: one of `names` is not known.
    """
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"there is no {what} {name!r}: {hint}known are {', '.join(known)}")
