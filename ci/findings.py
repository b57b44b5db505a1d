"""Findings of the laboratory, from packed runs: verdicts, what moves the time to grok, how good the early warning is.

    python -m ci.findings [STORE]

packs the sweeps of a store that have run to their end. Then it judges all that is packed in
ci/benchmarks/results/laboratory, as `grokcore claims` does with these files, and writes claims.json and summary.json
there, and prints the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, Field

from ci.markdown import table
from grokcore.claims import ClaimResult, Claims, document
from grokcore.documents import parse_json
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

FINDINGS = Path(__file__).parent / "benchmarks" / "results" / "laboratory"
LINK = FINDINGS.relative_to(Path(__file__).parents[1])
CLAIMS, SUMMARY = "claims.json", "summary.json"
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
    summary = Summary(
        split=_split(),
        studies=[_study(path) for path in archives],
        levers=list(_levers(records)),
        warnings=_warnings(records),
    )
    return document(records), summary


def _split() -> str:
    return load_spec(LABORATORY).task.held_out_splits[-1]


def _study(path: Path) -> Study:
    records = read_records([path])
    groups = groups_of(records)
    return Study(
        name=path.name.removesuffix(".tar.xz"),
        groups=len(groups),
        runs=len(records),
        least_seeds=min(len(group.runs) for group in groups),
        draws=len({run.spec.task.seed for run in records}),
        cpu_hours=sum(run.manifest.cpu_seconds or 0.0 for run in records) / 3600,
        processors=sorted({str(run.manifest.hardware.get("processor")) for run in records}),
    )


def _levers(records: Sequence[RunRecord]) -> Iterator[Lever]:
    """The laboratory's own group, then the others on its split, the strongest effects first."""
    groups, own, split = groups_of(records), experiment_id(load_spec(LABORATORY)), _split()
    base = next((group for group in groups if experiment_id(group.spec) == own), None)
    if base is None:
        raise LookupError(f"no packed run has the conditions of {LABORATORY}: nothing to compare the others with")
    same_task = (group for group in groups if group.spec.task.kind == base.spec.task.kind)
    others = [group for group in same_task if group is not base and split in group.runs[0].evaluation.held_out]
    yield _lever(base, base, split)
    yield from sorted((_lever(base, group, split) for group in others), key=_place)


def _place(lever: Lever) -> tuple[bool, float, str]:
    return lever.ratio is None, lever.ratio or 0.0, lever.change


def _lever(base: Group, group: Group, split: str) -> Lever:
    found = [run.evaluation.held_out[split] for run in group.runs]
    middle = median_time(times_of(group.runs, split))
    contrast = None if group is base else compare(base.runs, group.runs, split, ends="any")
    effect = contrast.effect if contrast is not None else None
    delays = [one.ratio for one in found if one.ratio is not None]
    return Lever(
        change=LABORATORY if group is base else labels_of(distinguishing_settings([base.spec, group.spec]))[1],
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


def _summary() -> Summary:
    return Summary.model_validate(_read(SUMMARY))


def _read(name: str) -> object:
    path = FINDINGS / name
    if not path.exists():
        raise LookupError(f"{path} is missing: python -m ci.findings makes it from the packed runs")
    return parse_json(path.read_bytes(), path)


def verdicts() -> str:
    """Return the table of decided claims, what was found about each in words, and the rest by number."""
    claims = Claims.model_validate(_read(CLAIMS)).claims
    tested = [claim for claim in claims if claim.verdict != "not tested"]
    head = ("claim", "says", "verdict", "found")
    text = table(head, map(_claim, sorted(tested, key=lambda claim: claim.verdict == "underpowered")))
    silent = [str(claim.number) for claim in claims if claim.verdict == "not tested"]
    return f"{text}\nNot tested, for lack of runs: claims {', '.join(silent)}.\n" if silent else text


def _claim(claim: ClaimResult) -> tuple[str, ...]:
    confounds = [f"{one.field}: " + ", ".join(f"{part.value} {part.verdict}" for part in one.parts)
                 for one in claim.confounds if len(one.parts) > 1]  # fmt: skip
    more = f" Apart by {'; '.join(confounds)}." if confounds else ""
    return str(claim.number), claim.statement, f"**{claim.verdict}**", f"{claim.sentence}{more}"


def studies() -> str:
    """Return the table of the studies."""
    head = ("study", "groups", "runs", "seeds of a group", "draws of the data", "CPU hours")
    return table(
        head,
        (
            (
                f"[{one.name}]({LINK}/{one.name}.tar.xz)",
                *map(str, (one.groups, one.runs, one.least_seeds, one.draws)),
                f"{one.cpu_hours:.1f}",
            )
            for one in _summary().studies
        ),
    )


def levers() -> str:
    """Return the table of what moves the time to grok."""
    summary = _summary()
    head = ("change", "times as late (95 %)", "held from step", "T_ood / T_train", "held by", "grokked", "at the end")
    return table(head, (_row(one) for one in summary.levers))


def _row(lever: Lever) -> tuple[str, ...]:
    limits = " to ".join("?" if limit is None else f"{limit:.2g}" for limit in (lever.lower, lever.upper))
    return (
        lever.change,
        "" if lever.ratio is None else f"{lever.ratio:.2g} ({limits})",
        "later than half the runs" if lever.median is None else f"{lever.median:,}",
        "" if lever.delay is None else f"{lever.delay:.1f}",
        f"{lever.sustained} of {lever.runs}",
        str(lever.grokked),
        f"{lever.accuracy:.3f}",
    )


def warnings() -> str:
    """Return in words how good the early warning was."""
    found = _summary().warnings
    share = "" if found.share is None else f", at the median after {found.share:.0%} of the steps"
    return (
        f"Of {found.splits} held-out splits of runs that memorized, {found.sustained} were sustained. "
        f"{found.warned} were called unlikely to grok{share}; "
        f"of these {found.false_alarms} were sustained all the same. "
        f"{found.missed} were never sustained and never warned of within their budgets.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m ci.findings", description=__doc__.partition("\n")[0])
    parser.add_argument("store", nargs="?", type=Path, metavar="STORE", help="of sweeps, to pack first")
    options = parser.parse_args(arguments)
    try:
        if options.store is not None:
            print(*keep(options.store, FINDINGS), sep="\n")
        claims, summary = judge(FINDINGS)
    except LookupError as error:
        parser.error(str(error))
    write_json(FINDINGS / CLAIMS, claims.model_dump(mode="json"))
    write_json(FINDINGS / SUMMARY, summary.model_dump(mode="json"))
    print(f"{claims.runs} runs of {len(summary.studies)} studies judged: {FINDINGS / CLAIMS}")
    print(verdicts(), levers(), warnings(), studies(), sep="\n")


if __name__ == "__main__":
    main()
