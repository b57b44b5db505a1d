"""Runs as a collection for analyses of one's own: frames, charts, verdicts, and what a notebook shows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, overload

from grokcore.claims import Claims, document
from grokcore.errors import InputError
from grokcore.markup import table_html
from grokcore.notebook.frames import FrameKind, Row, columns_of_frame, curves_of, frame_of, rows_of_runs
from grokcore.notebook.inline import Inline, inline_charts
from grokcore.reporting import render
from grokcore.reporting.chart_page import ChartKind, chart_page
from grokcore.reporting.fairness import SweepFacts, in_order_of, named_after_points
from grokcore.reporting.interpret.reading import analyses_of
from grokcore.reporting.shown import outcome_of_group, outcomes_of_run
from grokcore.runs.evaluation import Verdict
from grokcore.runs.groups import Group, groups_of, seed_text
from grokcore.runs.record import RunRecord

_MOST_SHOWN = 40
"""Groups in a representation; `frame` has all."""


@dataclass(frozen=True)
class Run:
    """One run of a collection.

    Attributes:
        name: what tells it from the others of the collection: its group and its seed.
        record: all of its files, as they were read.
    """

    name: str
    record: RunRecord

    @property
    def uri(self) -> str:
        return self.record.uri

    @property
    def spec(self) -> Any:
        """The experiment, an `ExperimentSpec`."""
        return self.record.spec

    @property
    def manifest(self) -> Any:
        """Versions, hardware, identity and costs."""
        return self.record.manifest

    @property
    def evaluation(self) -> Any:
        """Accuracies, times, verdicts and remarks."""
        return self.record.evaluation

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each held-out split."""
        return {split: held_out.verdict for split, held_out in self.record.evaluation.held_out.items()}

    def frame(self, kind: FrameKind = "pandas") -> Any:
        """As `Runs.frame`, of this run alone."""
        return self._alone.frame(kind)

    def curves(self, kind: FrameKind = "pandas") -> Any:
        """As `Runs.curves`, of this run alone."""
        return self._alone.curves(kind)

    def plot(self, kind: ChartKind = "accuracy") -> Inline:
        """Draw the `accuracy` of all splits with their phases, the `loss`, or the `optimizer`'s rate and norms."""
        return self._alone.plot(kind)

    def report(self) -> Inline:
        """Draw the page that `grokcore report` writes of this run."""
        return self._alone.report()

    def load_model(self, step: int | str | None = None) -> Any:
        """Open the model of a saved step, by default the last, or of a phase: `memorized`, `SPLIT.sustained`.

        Raises:
            InputError: there is no such step, or no checkpoint was kept at that phase.
        """
        from grokcore.models.loading import load_model, milestones

        if not isinstance(step, str):
            return load_model(self.uri, step=step)
        kept = milestones(self.uri)
        if step not in kept:
            raise InputError(f"{self.uri} keeps no checkpoint of {step!r}; it keeps {', '.join(kept) or 'none'}")
        return load_model(self.uri, step=kept[step])

    @property
    def _alone(self) -> Runs:
        return Runs((self.record,))

    def __repr__(self) -> str:
        lines = [f"  {split}: {verdict}, {told}" for split, verdict, told in outcomes_of_run(self.record)]
        return "\n".join([self._title, *lines])

    def _repr_html_(self) -> str:
        notes = [self.uri, *self.record.evaluation.remarks]
        return table_html(self._title, ("split", "verdict", "end"), outcomes_of_run(self.record), notes=notes)

    @property
    def _title(self) -> str:
        reason = self.record.manifest.exit_reason or "not ended"
        return f"{self.name}: {reason}, {self.record.evaluation.step:,} steps"


@dataclass(frozen=True, repr=False)
class Runs(Sequence[Run]):
    """Runs in the order of their groups; slices, and what `where` finds, are such collections again.

    Attributes:
        records: as they were read.
        left_out: a line for each run that was found and could not be judged.
    """

    records: tuple[RunRecord, ...]
    left_out: tuple[str, ...] = ()
    _facts: SweepFacts | None = None
    groups: tuple[Group, ...] = field(init=False, compare=False)
    """Runs that differ in their seeds alone, each group under the fields that tell it from the others."""

    def __post_init__(self) -> None:
        groups = groups_of(self.records) if self.records else []
        ordered = named_after_points(self._facts, in_order_of(self._facts, groups))
        object.__setattr__(self, "groups", tuple(ordered))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Run]:
        for group in self.groups:
            for name, record in zip(group.names, group.runs, strict=True):
                yield Run(name, record)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> Runs: ...
    def __getitem__(self, place: int | slice) -> Run | Runs:
        runs = list(self)
        return self._of([run.record for run in runs[place]]) if isinstance(place, slice) else runs[place]

    def where(self, condition: Mapping[str, Any] | Callable[[Run], object] | None = None, /, **columns: Any) -> Runs:
        """Return the runs that have some values, or of which a function is true.

            runs.where(architecture="gpt2", seed={0, 1})
            runs.where({"test.verdict": "grokked"})
            runs.where(lambda run: run.evaluation.diverged)

        Args:
            condition: values by column, or a function of a run.
            columns: values by column of `frame`. The end of a dotted name is enough where one column alone ends so.
                Of a set, any value counts.

        Raises:
            InputError: there is no such column, or there are several.
        """
        wanted = {**(condition if isinstance(condition, Mapping) else {}), **columns}
        rows = self._rows
        found = {column.name: column for column in columns_of_frame(rows)}
        asked = [(found[_name_of(name, list(found))], value) for name, value in wanted.items()]
        kept = [row for row in rows if all(_is(column.value(row), value) for column, value in asked)]
        if callable(condition):
            kept = [row for row in kept if condition(Run(row.name, row.run))]
        return self._of([row.run for row in kept])

    def frame(self, kind: FrameKind = "pandas") -> Any:
        """Return a data frame with a row a run.

        Columns, in this order: `run`, `group`, `seed`, `data_seed`; the fields of the spec in which the groups differ;
        SPLIT.verdict, SPLIT.sustained_steps, SPLIT.ratio and SPLIT.accuracy of each held-out split, and of `train`, all
        training splits pooled; how the run ended, its costs and conditions; everything else that runs.csv tells of a
        split; all other fields of the spec; name, ids and place. Names and units are those of runs.csv. What is not
        known is null: a time that is null is censored at `censored_at`.

        Args:
            kind: `pandas`, or `arrow` for a pyarrow table, whose fields have their `description` as metadata.

        Raises:
            InputError: pandas is not installed.
        """
        return frame_of(self._rows, kind)

    def curves(self, kind: FrameKind = "pandas") -> Any:
        """Return the journals in long form: `run`, its group, seeds and id, `step`, `split`, `metric`, `value`.

        Metrics of a split are `accuracy` and `loss`; those of the run, with a null split, are `learning_rate`,
        `gradient_norm`, `weight_norm`, `epoch`, `examples`, `flops`, `elapsed_seconds` and `cpu_seconds`. A value that
        was not finite is left out.

        Args:
            kind: `pandas`, or `arrow` for a pyarrow table.

        Raises:
            InputError: pandas is not installed.
        """
        return curves_of(self.groups, kind)

    def plot(
        self, kind: ChartKind = "accuracy", *, split: str | None = None, x: str | None = None, y: str | None = None
    ) -> Inline:
        """Draw charts as they are on the page of a comparison.

        Args:
            kind: `accuracy`: median and band over seeds, by group; `time_to_grok`: the share of seeds not there
                yet; `dose_response`: times along each numeric field; `phase_diagram`: times by two fields. Of a single
                run: `accuracy` of all splits, `loss`, `optimizer` (learning rate, norms of gradient and weights).
            split: the only split to draw.
            x, y: fields for the axes of a phase diagram, or the ends of their names; by default those with the most
                values.

        Raises:
            InputError: these runs have no such chart, split or field.
        """
        return inline_charts(chart_page(self._some_groups, kind, split=split, x=x, y=y))

    def report(self) -> Inline:
        """Draw the page that `grokcore report` writes of these runs."""
        groups, records = self._some_groups, list(self.records)
        page = render(
            *(groups, self.claims().claims, "."),
            facts=self._facts,
            left_out=self.left_out,
            analyses=analyses_of(records),
        )
        return Inline(page, f"report of {self._title}", 800)

    def claims(self) -> Claims:
        """Test the claims of the literature on these runs, as `grokcore claims` does."""
        return document(self.records)

    @property
    def _some_groups(self) -> tuple[Group, ...]:
        """The groups, of which there must be one.

        Raises:
            InputError: there is none.
        """
        if not self.groups:
            raise InputError("there are no runs here: nothing can be drawn")
        return self.groups

    @property
    def _rows(self) -> list[Row]:
        return rows_of_runs(self.groups)

    def _of(self, records: Sequence[RunRecord]) -> Runs:
        return Runs(tuple(records), (), self._facts)

    def __repr__(self) -> str:
        heads, rows = self._table()
        lines = [self._title]
        for label, seeds, *told in rows:
            found = "; ".join(f"{split}: {text}" for split, text in zip(heads[2:], told, strict=True) if text)
            lines.append(f"  {label}: {seeds}" + (f"; {found}" if found else ""))
        return "\n".join([*lines, *self._notes()])

    def _repr_html_(self) -> str:
        return table_html(self._title, *self._table(), notes=self._notes())

    @property
    def _title(self) -> str:
        runs, groups = len(self), len(self.groups)
        return f"{runs} run{'' if runs == 1 else 's'} in {groups} group{'' if groups == 1 else 's'}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """A row a group: its seeds, and what became of each held-out split."""
        splits = dict.fromkeys(split for run in self.records for split in run.evaluation.held_out)
        rows = []
        for group in self.groups[:_MOST_SHOWN]:
            seeds = [seed_text(run.spec, len(group.draws)).removeprefix("seed ") for run in group.runs]
            rows.append([group.label, f"seed{'' if len(seeds) == 1 else 's'} {', '.join(seeds)}"])
            rows[-1] += [outcome_of_group(group, split) for split in splits]
        return ["group", "seeds", *splits], rows

    def _notes(self) -> list[str]:
        more = len(self.groups) - _MOST_SHOWN
        return [*([f"and {more} more groups: frame() has all"] if more > 0 else []), *self.left_out]


def _name_of(name: str, known: Sequence[str]) -> str:
    """Return the column that a name, or the end of a dotted name, stands for."""
    if name in known:
        return name
    ending = [column for column in known if column.endswith(f".{name}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise InputError(f"{name!r} may be {' or '.join(ending)}: where({{{ending[0]!r}: ...}}) names one")
    near = get_close_matches(name, [*known, *(column.rpartition(".")[2] for column in known)], 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(f"the runs have no column {name!r}: {hint}frame().columns lists them")


def _is(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, set | frozenset | range) else bool(value == wanted)
