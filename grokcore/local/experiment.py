"""One experiment as a pipeline on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grokcore.local.process import RUN_KEY, LocalPipeline
from grokcore.spec import ExperimentSpec, resolve
from grokcore.storage import local_path
from grokcore.storage.layout import run_uri


class LocalExperiment(LocalPipeline):
    """`grokking_experiment` for one spec; everything it writes lies under `out`.

    `out/runs/RUN_ID/local`, the attribute `run_directory`, is the run; its journal grows while it trains.
    """

    def __init__(
        self, spec: ExperimentSpec, out: str | Path, *, resume: str = "auto", compare_run_uris: Sequence[str] = ()
    ) -> None:
        """
        Raises:
            InputError: Kubeflow Pipelines is not installed, or the compiled pipeline is missing.
        """
        self.spec = resolve(spec)
        store = str(local_path(out).absolute())
        self.run_directory = Path(run_uri(store, self.spec.run_id, RUN_KEY))
        arguments = {
            "preset": self.spec.model_dump_json(),
            "store": store,
            "run_key": RUN_KEY,
            "resume": resume,
            "compare_run_uris": list(compare_run_uris),
        }
        super().__init__("grokking_experiment", arguments, out)
