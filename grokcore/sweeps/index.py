"""A sweep's directory: index.json (its runs, their state, the tuning and its budget) and where runs and trials lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grokcore.errors import AbsentError, InputError
from grokcore.spec import ExperimentSpec, validate
from grokcore.storage import Store, open_store
from grokcore.storage.layout import run_uri, sweep_uri
from grokcore.sweeps.spec import TuningSpec

INDEX = "index.json"

State = Literal["waiting", "done", "stopped", "failed"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunEntry(_Entry):
    """One run of a point."""

    seed: int
    data_seed: int = Field(0, description="task.seed: the draw of the data")
    run_id: str
    place: str = Field(description="path of the run relative to the store, so that a store can be moved")
    state: State = Field(description="done: trained and evaluated; stopped: saved at a signal")
    step: int | None = Field(None, description="optimizer steps of a run that is done")
    exit_reason: str | None = Field(None, description="why a run that is done ended")
    message: str | None = Field(None, description="why a run failed")


class Trial(_Entry):
    """One set of hyperparameters tried for a point."""

    values: dict[str, JsonValue] = Field(description="searched fields, by dotted name")
    objective: float = Field(description="the measure of TuningSpec, averaged over the seeds of a trial")
    flops: float = Field(description="algorithmic FLOPs of all its runs")
    places: tuple[str, ...] = Field(description="paths of its runs relative to the store")
    untuned: bool = Field(False, description="whether these are the point's own values")


class TunedPoint(_Entry):
    """Result and cost of the search for a point."""

    values: dict[str, JsonValue] = Field(description="values with the highest objective; the earliest of equals")
    objective: float = Field(description="objective of these values")
    split: str = Field(description="split that the objective was measured on")
    trials: tuple[Trial, ...]

    @property
    def flops(self) -> float:
        """Algorithmic FLOPs of the search; repeated trials are computed, and counted, once."""
        return sum({trial.places: trial.flops for trial in self.trials}.values())


class PointEntry(_Entry):
    """One point of a sweep."""

    name: str
    settings: dict[str, JsonValue] = Field(description="fields set by the axes, by dotted name")
    dataset_id: str = Field(description="dataset of the first draw of the data")
    runs: tuple[RunEntry, ...]
    tuned: TunedPoint | None = Field(None, description="null without a search")


class SweepIndex(_Entry):
    """The content of index.json in the sweep's directory."""

    format: Literal[1] = 1
    name: str
    description: str
    claims: tuple[str, ...] = Field(description="ids of the claims that the sweep is meant to test")
    tuning: TuningSpec | None = Field(description="the search, the same for every point; null without one")
    baseline: str | None = Field(None, description="name of the point that the others are held against")
    controls: dict[str, tuple[str, ...]] = Field({}, description="names of points by the method that they control for")
    sources: dict[str, tuple[str, ...]] = Field(
        {}, description="paths of the runs that points start from, relative to the store, by the source's name"
    )
    points: tuple[PointEntry, ...]

    def places(self, state: State = "done") -> list[str]:
        """Paths of the runs in a state, relative to the store."""
        return [run.place for point in self.points for run in point.runs if run.state == state]


def read_index(sweep: str | Path | Store) -> SweepIndex:
    """Read the index of the sweep in `STORE/sweeps/NAME`.

    Raises:
        AbsentError: there is no index.
        InputError: the index is damaged.
        TransientError: the store is unreachable.
    """
    store = sweep if isinstance(sweep, Store) else open_store(sweep)
    try:
        index: SweepIndex = validate(SweepIndex, store.read_json(INDEX))
    except AbsentError:
        raise AbsentError(f"there is no sweep at {store}: it has no {INDEX}") from None
    except InputError as error:
        raise InputError(f"{store.uri_of(INDEX)} is damaged or of another version: {error}") from None
    return index


RUN_KEY = "local"
"""As in `grokcore run`, so that both find each other's runs."""

_TRIALS = "tuning"


@dataclass(frozen=True)
class SweepPlace:
    """The store at the URI `store`, and the sweep called `name` in it."""

    store: str
    name: str

    @property
    def directory(self) -> Store:
        """`STORE/sweeps/NAME`: sweep.yaml, index.json, and what a comparison writes."""
        return open_store(sweep_uri(self._root, self.name))

    def dataset(self, spec: ExperimentSpec) -> str:
        """The URI of an experiment's dataset."""
        return f"{self._root}/datasets/{spec.dataset_id}"

    def run(self, spec: ExperimentSpec) -> str:
        """The URI of an experiment's run."""
        return run_uri(self._root, spec.run_id, RUN_KEY)

    def trial(self, spec: ExperimentSpec) -> str:
        """The URI of a run of the search, apart from those that an analysis of all runs in the store would find."""
        return run_uri(f"{self._root}/{_TRIALS}", spec.run_id, RUN_KEY)

    def below(self, uri: str) -> str:
        """A place as the index names it."""
        return uri.removeprefix(f"{self._root}/")

    @property
    def _root(self) -> str:
        return self.store.rstrip("/")
