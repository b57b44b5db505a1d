"""The unit of every test: a seed, or a draw of the data where there are more of these.

Runs of one setting that share a seed are one unit, however many draws of the data, initial weights or settings within
a side it was trained with: they are correlated, and counting each would make ten runs of five seeds look like ten
seeds. Units with one seed on different draws and with different seeds on one draw may be correlated alike; of the two
groupings, the one with more units is used, and the verdict is limited to the other as it is: to these draws, or to
these seeds.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grokcore.runs.groups import grouped

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Unit:
    """Runs of one setting that count once.

    Attributes:
        level: their setting of the claim's factor.
    """

    level: float
    runs: tuple[RunRecord, ...]

    @property
    def draws(self) -> frozenset[int]:
        return frozenset(draw_of(run) for run in self.runs)


def seed_of(run: RunRecord) -> tuple[int, int]:
    """The seeds of initial weights and of the data's order."""
    return run.spec.init_seed, run.spec.order_seed


def draw_of(run: RunRecord) -> int:
    """The draw of the data: `task.seed`."""
    return run.spec.task.seed


def units_of(stratum: Stratum, split: str, *, level: float | None = None) -> list[Unit]:
    """Group the runs of a stratum that have the split into units; only those of one setting where `level` is given.

    Runs on a draw of the data that not every setting was trained on are left out: the effect of the draw could not
    be separated from that of the setting.
    """
    runs = [(arm.level, run) for arm in stratum.arms for run in arm.group.runs if split in run.evaluation.splits]
    of_level = [{draw_of(run) for at, run in runs if at == one} for one in stratum.levels]
    shared = set.intersection(*of_level)
    runs = [one for one in runs if draw_of(one[1]) in shared]
    by_draw = len(shared) > len({seed_of(run) for _, run in runs})

    def key(one: tuple[float, RunRecord]) -> Hashable:
        return one[0], draw_of(one[1]) if by_draw else seed_of(one[1])

    units = [Unit(same[0][0], tuple(run for _, run in same)) for same in grouped(runs, key)]
    return [unit for unit in units if level is None or unit.level == level]


def blocks_of(units: Sequence[Unit]) -> list[list[Unit]]:
    """Group units into blocks that are compared within, so that draws of the data are not mistaken for a setting.

    Seeds of one draw each are compared within their draw. All are one block where draws are the units, each of which
    has one of every setting; or where units hold several draws, of which those that all have are kept.
    """
    if all(len(unit.draws) == 1 for unit in units):
        blocks = grouped(units, lambda unit: unit.draws)
        as_units = len(blocks) > 1 and all(len(block) == len({unit.level for unit in block}) for block in blocks)
        return [list(units)] if as_units else blocks
    shared = frozenset.intersection(*(unit.draws for unit in units))
    if not shared:
        return [list(units)]
    return [[replace(unit, runs=tuple(run for run in unit.runs if draw_of(run) in shared)) for unit in units]]
