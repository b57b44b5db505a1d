"""How sharing, recurrence and memory compose a stack of blocks, without importing torch.

Every model runs *rounds* of its blocks: one round of all of them, or several, of the same weights. Between two rounds
the stream may re-enter through the embedding space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from grokcore.spec.composition import (
    AdaptiveLoops,
    FixedLoops,
    MemorySpec,
    RandomLoops,
    RecurrenceSpec,
    SharedBlocks,
    SharedMLP,
    SharingSpec,
)
from grokcore.spec.experiment import derived_seed
from grokcore.spec.models import Model

Rounds = tuple[tuple[int, ...], ...]
"""The numbers of the blocks that run, round by round."""

_PARTS: dict[str, TypeAdapter[Any]] = {
    "sharing": TypeAdapter(SharingSpec),
    "recurrence": TypeAdapter(RecurrenceSpec),
    "memory": TypeAdapter(MemorySpec),
}


@dataclass(frozen=True)
class Composition:
    """The composable parts of a model, as its spec has them; by default none."""

    sharing: SharingSpec | None = None
    recurrence: RecurrenceSpec | None = None
    memory: MemorySpec | None = None

    @classmethod
    def of(cls, spec: Model) -> Composition:
        return cls(spec.sharing, spec.recurrence, spec.memory)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Composition:
        """Read the JSON values that `written` returned.

        Raises:
            ValueError: they do not describe a composition.
        """
        return cls(**{name: _PARTS[name].validate_python(part) for name, part in document.items()})

    def written(self) -> dict[str, Any]:
        """Return the parts as JSON values; empty if nothing is composed."""
        parts = {name: getattr(self, name) for name in _PARTS}
        return {name: part.model_dump(mode="json") for name, part in parts.items() if part is not None}

    def describe(self) -> dict[str, str | None]:
        """Describe every part in a few words, without settings that are off or zero; None for absent parts."""
        described: dict[str, str | None] = dict.fromkeys(_PARTS)
        for name, part in self.written().items():
            details = ", ".join(f"{key} {value}" for key, value in part.items() if key != "kind" and value)
            described[name] = f"{part['kind']} ({details})" if details else part["kind"]
        return described

    @property
    def shares_mlp(self) -> bool:
        return isinstance(self.sharing, SharedMLP)

    @property
    def reentry(self) -> float | None:
        """Temperature of the re-entry between two rounds."""
        part = self.sharing if isinstance(self.sharing, SharedBlocks) else self.recurrence
        return None if part is None else part.reentry

    @property
    def zero_init(self) -> bool:
        return self.recurrence is not None and self.recurrence.zero_init

    @property
    def tolerance(self) -> float | None:
        """Relative change of a token's stream up to which it counts as converged; None without adaptive loops."""
        return self.recurrence.tolerance if isinstance(self.recurrence, AdaptiveLoops) else None

    @property
    def loops(self) -> int:
        """Loops in evaluation, including those of converged tokens."""
        match self.recurrence:
            case FixedLoops(loops=loops) | AdaptiveLoops(most=loops):
                return loops
            case RandomLoops(evaluation=loops, most=most):
                return most if loops is None else loops
        return 1

    def loops_at(self, step: int) -> int:
        """Return the loops of a training step; if random, a pure function of seed and step, so that runs can resume."""
        if isinstance(self.recurrence, RandomLoops):
            least, most = self.recurrence.least, self.recurrence.most
            return least + derived_seed(self.recurrence.seed, f"loops of step {step}") % (most - least + 1)
        return self.loops

    @property
    def mean_loops(self) -> float:
        """Mean number of loops of a training step."""
        if isinstance(self.recurrence, RandomLoops):
            return (self.recurrence.least + self.recurrence.most) / 2
        return self.loops

    def rounds(self, layers: int, loops: int) -> Rounds:
        """Return which of `layers` blocks run in which round, for a number of loops."""
        blocks = tuple(range(layers))
        match self.sharing:
            case SharedBlocks(order="cycle", repeat=repeat):
                return (blocks,) * repeat
            case SharedBlocks(repeat=repeat):
                return (tuple(block for block in blocks for _ in range(repeat)),)
        return (blocks,) * loops

    @property
    def unrolls(self) -> bool:
        """Return whether evaluation computes what a deeper plain stack does, some of whose weights are equal."""
        return self.memory is None and self.reentry is None and self.tolerance is None
