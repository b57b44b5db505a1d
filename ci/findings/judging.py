"""Pack the laboratory's runs, and judge them: claims.json, and in summary.json what moves the time to grok."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, Field

from ci.findings.curves import constant_rate
from ci.findings.forest import forest
from grokcore.claims import ClaimResult, Claims, document
from grokcore.evaluation.behavior import first_warning
from grokcore.evaluation.records import read_records
from grokcore.evaluation.survival import compare, median_time, times_of
from grokcore.runs.fields import distinguishing_settings
from grokcore.runs.groups import Group, experiment_id, groups_of, labels_of
from grokcore.runs.packing import pack_runs
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec
from grokcore.storage import write_json
from grokcore.sweeps.index import read_index

FINDINGS = Path(__file__).parents[1] / "benchmarks" / "results" / "laboratory"
CLAIMS, SUMMARY, LEVERS, CONSTANT_RATE = "claims.json", "summary.json", "levers.svg", "constant-rate.svg"
DEPTH = "depth-constant-rate"
"""The study that is drawn beside the thesis: under conditions of its own, which are no lever of the laboratory."""
LABORATORY = "laboratory"
"""The preset that the studies vary."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Study(_Part):
    name: str
    groups: int
    runs: int
    least_seeds: int = Field(description="of a group")
    draws: int = Field(description="draws of the data")
    cpu_hours: float
    processors: list[str]


class Lever(_Part):
    """A group that differs from the laboratory's conditions, against these."""

    change: str
    study: str = Field(description="the first that has its runs")
    runs: int
    sustained: int
    grokked: int
    median: int | None = Field(description="steps to sustain the split; null where half the runs take longer")
    delay: float | None = Field(description="median of T_split / T_train over the runs that sustained it")
    accuracy: float = Field(description="median at the end")
    ratio: float | None = Field(description="times as late as the laboratory; null where one side never got there")
    lower: float | None
    upper: float | None
    p: float | None


class Warnings(_Part):
    """How good the warning `unlikely to grok` was, over all runs and held-out splits."""

    splits: int = Field(description="held-out splits of runs that memorized")
    sustained: int
    warned: int
    false_alarms: int = Field(description="of the warned: sustained later")
    share: float | None = Field(description="median share of the run's steps that had passed at the warning")
    missed: int = Field(description="never sustained, and no warning by the end")


class Summary(_Part):
    split: str
    studies: list[Study]
    levers: list[Lever] = Field(description="the laboratory first, then by the ratio")
    warnings: Warnings
    studies_of: dict[int, list[str]] = Field(
        description="by the number of a claim that was tested: as few studies as have the runs that it rests on"
    )


def keep(store: Path, folder: Path) -> list[Path]:
    """Pack the runs of each sweep of a store, one archive for each; sweeps with runs to go are left out.

    Returns:
        The archives written.

    Raises:
        LookupError: the store holds no sweeps.
    """
    if not (store / "sweeps").is_dir():
        raise LookupError(f"{store} holds no sweeps: name the --out of `grokcore sweep`")
    written = []
    for place in sorted((store / "sweeps").iterdir()):
        index = read_index(place)
        states = {run.state for point in index.points for run in point.runs}
        if states == {"done"}:
            folder.mkdir(parents=True, exist_ok=True)
            archive = folder / f"{index.name.removesuffix('-small')}.tar.xz"
            pack_runs(read_records([str(store / run) for run in index.places()]), archive)
            written.append(archive)
    return written


def judge(folder: Path) -> tuple[Claims, Summary]:
    """Judge all packed runs of a folder.

    Raises:
        LookupError: it holds no archive, or none of the laboratory's own runs.
    """
    archives = sorted(folder.glob("*.tar.xz"))
    if not archives:
        raise LookupError(f"there is no *.tar.xz in {folder}: nothing to judge")
    records = read_records(archives)
    claims = document(records)
    runs_of = {_name(path): {run.spec.run_id for run in read_records([path])} for path in archives}
    by_claim: dict[int, set[str]] = {}
    for claim in claims.tested:
        by_claim.setdefault(claim.number, set()).update(_runs_of(claim))
    summary = Summary(
        split=_split(),
        studies=[_study(path) for path in archives],
        levers=list(_levers(records, runs_of)),
        warnings=_warnings(records),
        studies_of={number: _fewest(runs, runs_of) for number, runs in by_claim.items()},
    )
    return claims, summary


def write(claims: Claims, summary: Summary, folder: Path) -> None:
    """Write claims.json, summary.json and the drawings."""
    write_json(folder / CLAIMS, claims.model_dump(mode="json"))
    write_json(folder / SUMMARY, summary.model_dump(mode="json"))
    for name, content in drawings(summary, folder).items():
        (folder / name).write_text(content, "utf-8")


def drawings(summary: Summary, folder: Path) -> dict[str, str]:
    """Return the drawings by file name: of the levers, and of depth at a constant rate where its study is packed."""
    drawn = {LEVERS: forest(summary.levers)}
    depth = folder / f"{DEPTH}.tar.xz"
    return drawn | ({CONSTANT_RATE: constant_rate(read_records([depth]), summary.split)} if depth.exists() else {})


def _name(archive: Path) -> str:
    return archive.name.removesuffix(".tar.xz")


def _runs_of(claim: ClaimResult) -> set[str]:
    return {run for stratum in claim.strata for group in stratum.groups for run in group.run_ids}


def _fewest(wanted: set[str], runs_of: Mapping[str, set[str]]) -> list[str]:
    """Choose the study with most of the runs, then that with most of the others, until none is left."""
    chosen = []
    while wanted:
        best = max(runs_of, key=lambda name: (len(wanted & runs_of[name]), -len(runs_of[name])))
        chosen.append(best)
        wanted = wanted - runs_of[best]
    return chosen


def _split() -> str:
    return load_spec(LABORATORY).task.held_out_splits[-1]


def _study(path: Path) -> Study:
    records = read_records([path])
    groups = groups_of(records)
    return Study(
        name=_name(path),
        groups=len(groups),
        runs=len(records),
        least_seeds=min(len(group.runs) for group in groups),
        draws=len({run.spec.task.seed for run in records}),
        cpu_hours=sum(run.manifest.cpu_seconds or 0.0 for run in records) / 3600,
        processors=sorted({str(run.manifest.hardware.get("processor")) for run in records}),
    )


def _levers(records: Sequence[RunRecord], runs_of: Mapping[str, set[str]]) -> Iterator[Lever]:
    """The laboratory's own group, then the others on its split, by their ratio."""
    groups, own, split = groups_of(records), experiment_id(load_spec(LABORATORY)), _split()
    base = next((group for group in groups if experiment_id(group.spec) == own), None)
    if base is None:
        raise LookupError(f"no packed run has the conditions of {LABORATORY}: nothing to compare the others with")
    others = [
        group
        for group in groups
        if group is not base
        and group.spec.task.kind == base.spec.task.kind
        and split in group.runs[0].evaluation.held_out
        and group.runs[0].spec.run_id not in runs_of.get(DEPTH, ())
    ]
    yield _lever(base, base, LABORATORY, split, runs_of)
    found = [
        _lever(base, group, change, split, runs_of)
        for group, change in zip(others, _changes(base, others), strict=True)
    ]
    yield from sorted(found, key=_place)


def _changes(base: Group, others: Sequence[Group]) -> list[str]:
    """Say in what each differs from the laboratory; where the same would be said of two, in what they differ, too."""
    names = [labels_of(distinguishing_settings([base.spec, group.spec]))[1] for group in others]
    for name in {name for name in names if names.count(name) > 1}:
        places = [place for place, one in enumerate(names) if one == name]
        apart = labels_of(distinguishing_settings([others[place].spec for place in places]))
        for place, more in zip(places, apart, strict=True):
            names[place] = f"{name}, {more}"
    return names


def _place(lever: Lever) -> tuple[bool, float, str]:
    return lever.ratio is None, lever.ratio or 0.0, lever.change


def _lever(base: Group, group: Group, change: str, split: str, runs_of: Mapping[str, set[str]]) -> Lever:
    found = [run.evaluation.held_out[split] for run in group.runs]
    middle = median_time(times_of(group.runs, split))
    contrast = None if group is base else compare(base.runs, group.runs, split, ends="any")
    effect = contrast.effect if contrast is not None else None
    delays = [one.ratio for one in found if one.ratio is not None]
    return Lever(
        change=change,
        study=_fewest({group.runs[0].spec.run_id}, runs_of)[0],
        runs=len(group.runs),
        sustained=sum(one.sustained is not None for one in found),
        grokked=sum(one.verdict == "grokked" for one in found),
        median=None if middle.censored else middle.step,
        delay=median(delays) if delays else None,
        accuracy=median(run.evaluation.splits[split].accuracy or 0.0 for run in group.runs),
        ratio=effect.ratio if effect is not None else None,
        lower=effect.lower if effect is not None else None,
        upper=effect.upper if effect is not None else None,
        p=effect.p_worst if effect is not None else None,
    )


def _warnings(records: Sequence[RunRecord]) -> Warnings:
    followed = [
        (run, held_out.sustained, first_warning(run, split))
        for run in records
        if run.evaluation.memorized.sustained is not None
        for split, held_out in run.evaluation.held_out.items()
    ]
    told = [(run, sustained, step) for run, sustained, step in followed if step is not None]
    return Warnings(
        splits=len(followed),
        sustained=sum(sustained is not None for _, sustained, _ in followed),
        warned=len(told),
        false_alarms=sum(sustained is not None for _, sustained, _ in told),
        share=median(step / run.evaluation.step for run, _, step in told) if told else None,
        missed=sum(sustained is None and step is None for _, sustained, step in followed),
    )
