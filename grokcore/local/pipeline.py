"""Run a compiled pipeline in a child process that can be followed, stopped, and asked why it failed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from grokcore.errors import EXIT_OK, EXIT_STOPPED, GrokcoreError, InputError, StoppedError
from grokcore.spec import ExperimentSpec, resolve
from grokcore.stage import ERROR_FILE_VARIABLE, RETRY_VARIABLE, STOP_VARIABLE, Failure
from grokcore.storage import clear_errors, local_path
from grokcore.storage.layout import run_uri
from grokcore.storage.regular import refuse_linked_folders

_PACKAGE = Path(__file__).parents[1]


def pipeline_names() -> list[str]:
    """Names of the pipelines that come with grokcore."""
    installed = {path.stem for path in (_PACKAGE / "compiled").glob("*.yaml")}
    checkout = {path.parent.name for path in _PACKAGE.parent.glob("pipelines/*/*/pipeline.yaml")}
    return sorted(installed | checkout)


def compiled_pipeline(name: str) -> Path:
    """Path of a compiled pipeline, in the installed package or in a checkout.

    Raises:
        InputError: unknown pipeline.
    """
    installed = _PACKAGE / "compiled" / f"{name}.yaml"
    checkout = sorted(_PACKAGE.parent.glob(f"pipelines/*/{name}/pipeline.yaml"))
    for path in (installed, *checkout):
        if path.is_file():
            return path
    raise InputError(f"compiled pipeline not found: {name}; run ci/compile in the checkout or reinstall grokcore")


RUN_KEY = "local"
"""Run key of local pipelines: constant, so that repeating a command resumes its runs."""


class LocalPipeline:
    """A compiled pipeline on Kubeflow's local runner.

    Kubeflow keeps data between stages, including datasets, in `out/pipeline/`; the arguments say where runs go. Several
    pipelines may share `out`: files of one call are named by its time and process.

    Attributes:
        log: output of the stages, `out/logs/TIME-PROCESS.log`.

        pipeline = LocalPipeline("parameter_sweep", {"sweep": "values-small", "store": "out"}, "out")
        pipeline.start()
        pipeline.wait(on_tick=show_progress)
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], out: str | Path) -> None:
        """
        Raises:
            InputError: Kubeflow Pipelines is not installed, or the compiled pipeline is missing.
        """
        if importlib.util.find_spec("kfp") is None:
            raise InputError("running a pipeline needs Kubeflow Pipelines: pip install 'grokcore[all]'")
        self.out = local_path(out).absolute()
        call = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"
        self.log = self.out / "logs" / f"{call}.log"
        self._error_file = self.out / "logs" / f"{call}.error.json"
        self._request: dict[str, Any] = {
            "pipeline": str(compiled_pipeline(name)),
            "pipeline_root": str(self.out / "pipeline"),
            "arguments": dict(arguments),
        }
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the child.

        Raises:
            InputError: `out` cannot be written.
        """
        with clear_errors("write", self.out):
            self.log.parent.mkdir(parents=True, exist_ok=True)
            refuse_linked_folders(self.out, self.log.parent)
            with self.log.open("xb") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "grokcore.local"],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    start_new_session=True,  # a signal to the group reaches the task; Ctrl-C reaches only this process
                )
        assert self._child.stdin is not None  # noqa: S101 - stdin=PIPE makes it
        with self._child.stdin as pipe:
            pipe.write(json.dumps(self._request).encode())

    def poll(self) -> int | None:
        """The child's exit code, or None while it runs."""
        return None if self._child is None else self._child.poll()

    def stop(self) -> None:
        """Ask the running stage to save and exit; a second call kills it."""
        self._signal_group(signal.SIGKILL if self._stopping else signal.SIGTERM)
        self._stopping = True

    def wait(self, on_tick: Callable[[], None] = lambda: None, interval: float = 0.2) -> None:
        """Wait for the pipeline to end, calling `on_tick` every `interval` seconds; SIGINT and SIGTERM stop it.

        Raises:
            GrokcoreError: the error of the failed stage, with its class and exit code.
        """
        try:
            with self._forwarded_signals():
                while self.poll() is None:
                    on_tick()
                    time.sleep(interval)
        finally:
            if self.poll() is None and not self._stopping:
                self.stop()
        on_tick()
        code = self.poll()
        if code != EXIT_OK:
            raise self._reason(code)

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in (RETRY_VARIABLE, STOP_VARIABLE)}
        package = str(Path(__file__).parents[2])  # stages import this very package
        path = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
        return {**environment, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", ERROR_FILE_VARIABLE: str(self._error_file)}

    @contextmanager
    def _forwarded_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
            yield
            return

        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.stop()

        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _signal_group(self, number: int) -> None:
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, number)

    def _reason(self, code: int | None) -> GrokcoreError:
        failure = Failure.read(self._error_file)
        with suppress(OSError):
            self._error_file.unlink()
        if failure is None or failure.kind == "stopped":
            if self._stopping or code == EXIT_STOPPED:
                return StoppedError(failure.message if failure else "stopped; the same command goes on from here")
            return GrokcoreError(f"the pipeline failed: {self._last_log_line()}; see {self.log}")
        if failure.kind == "bug":
            return GrokcoreError(f"{failure.error()}; see the traceback in {self.log}")
        return failure.error()

    def _last_log_line(self) -> str:
        """Last line of the log that contains text."""
        text = self.log.read_text("utf-8", errors="replace")
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in text.splitlines()]
        return next((line for line in reversed(lines) if re.search(r"\w", line)), "without output")


class LocalExperiment(LocalPipeline):
    """The pipeline grokking_experiment for one spec, with all output under `out`.

    The run is in `run_directory`, `out/runs/RUN_ID/local`; its journal grows during training.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        out: str | Path,
        *,
        resume: str = "auto",
        compare_run_uris: Sequence[str] = (),
        analyze: bool = False,
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
            "analyze": analyze,
        }
        super().__init__("grokking_experiment", arguments, out)
