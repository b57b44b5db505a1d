"""A real Prometheus server for tests, and a real Pushgateway: each ready within a second, and gone without a trace."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.servers.process import Server, answers, free_port


class Prometheus(Server):
    """Scrapes one target every second, and evaluates rules as often.

    Attributes:
        url: of its web interface and API.
    """

    PROGRAMS = ("prometheus", "promtool")
    REMEDY = "apt-get install prometheus"

    def __init__(
        self,
        directory: Path,
        target: str,
        *,
        rules: Sequence[Path] = (),
        labels: Mapping[str, str] = MappingProxyType({}),
        others: str = "",
    ) -> None:
        """
        Args:
            target: host:port, which need not be there yet.
            labels: added to what the target exposes, as discovery in a cluster does.
            others: host:port of a second target, whose own labels count.
        """
        super().__init__(directory)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {"job_name": "grokcore", "static_configs": [{"targets": [target], "labels": dict(labels)}]},
                {
                    "job_name": "others",
                    "honor_labels": True,
                    "static_configs": [{"targets": [others]}] if others else [],
                },
            ],
        }

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "prometheus.json"  # JSON is YAML
        configuration.write_text(json.dumps(self._configuration))
        self.start_process(
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        )
        self.wait_until(lambda: answers(HTTPConnection("127.0.0.1", self._port, timeout=5)))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: for each series its labels, under `metric`, and its `value` or `values`."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def history(self, expression: str) -> list[float]:
        """All that was scraped of the one series that an expression selects, oldest first."""
        [series] = self.query(f"{expression}[1h]")
        return [float(value) for _, value in series["values"]]

    def get(self, what: str, **parameters: str) -> Any:
        """Data that the HTTP API has of something, as in `alerts`."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}") as answer:  # noqa: S310 - http
            return json.load(answer)["data"]


class Pushgateway(Server):
    """
    Attributes:
        address: host:port.
    """

    PROGRAMS = ("prometheus-pushgateway",)
    REMEDY = "apt-get install prometheus-pushgateway"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start_process("prometheus-pushgateway", f"--web.listen-address={self.address}")
        self.wait_until(lambda: answers(HTTPConnection("127.0.0.1", self._port, timeout=5)))

    def metrics(self) -> str:
        """All that was pushed, as a scrape reads it."""
        with urllib.request.urlopen(f"http://{self.address}/metrics") as answer:
            text: str = answer.read().decode()
        return text
