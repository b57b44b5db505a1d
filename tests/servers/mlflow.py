"""MLflow's own server, with its database in SQLite and its artifacts in a directory."""

from __future__ import annotations

import importlib.util
import os
import sys
from http.client import HTTPConnection
from pathlib import Path

from tests.servers.process import Server, answers, free_port

_PATIENCE = 400.0
"""Seconds for its start: on a quiet machine it takes ten, most of them for imports, which two processes do in turn."""


class MlflowServer(Server):
    """
    Attributes:
        uri: what MLFLOW_TRACKING_URI names.
    """

    REMEDY = "pip install 'grokcore[dev]'"
    _MODULES = ("mlflow", "flask", "flask_cors", "aiohttp", "sqlalchemy", "alembic")
    """The package for clients has the server too, and lacks nothing but these of its dependencies."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"

    @classmethod
    def obstacle(cls) -> str:
        missing = [name for name in cls._MODULES if importlib.util.find_spec(name) is None]
        return f"no {', '.join(missing)} here: {cls.REMEDY}" if missing else ""

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # of evaluations of language models
        self.start_process(
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)),
            *("--backend-store-uri", f"sqlite:///{self.directory / 'mlflow.db'}", "--workers", "1"),
            *("--artifacts-destination", str(self.directory / "artifacts")),
        )
        self.wait_until(lambda: answers(HTTPConnection("127.0.0.1", self._port, timeout=5)), _PATIENCE)
