"""Where a sweep keeps what it makes, in a store that it shares with single runs and other sweeps."""

from __future__ import annotations

from dataclasses import dataclass

from grokcore.spec import ExperimentSpec
from grokcore.storage import Store, open_store
from grokcore.storage.layout import run_uri, sweep_uri

RUN_KEY = "local"
"""As `grokcore run` has it, so that both find each other's runs."""

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
        """The URI of an experiment's data set."""
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
