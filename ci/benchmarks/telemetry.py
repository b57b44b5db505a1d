"""Overhead of telemetry for a training."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ci.benchmarks.cases import Case
from ci.benchmarks.rounds import paired_ratio
from grokcore.data import generate_dataset
from grokcore.runs.journal import JournalLine
from grokcore.telemetry.endpoint import PORT_VARIABLE
from grokcore.training import train_model
from grokcore.training.counters import StepTimes

SCRAPE_SECONDS = 1.0

_SCRAPER = """
import sys, time, urllib.request
while True:
    urllib.request.urlopen(sys.argv[1]).read()
    time.sleep(float(sys.argv[2]))
"""


def compare_telemetry(case: Case, *, device: str, threads: int, pairs: int, seconds: float) -> dict[str, Any]:
    """Optimiser steps per second of one real training, while it is scraped and while it is not, in turns.

    A scraper in a process of its own is stopped and sent on at every evaluation. So both sorts of stretches, of about
    `seconds` each, are parts of the same training, and a change of the machine's speed meets both alike. What every
    step costs beyond that, whether anybody scrapes or not, is measured by itself.
    """
    settings = [f"training.device={device}", f"training.threads={threads}", "training.checkpoint_interval=null"]
    settings += ["evaluation.growth=1000000"]
    with tempfile.TemporaryDirectory() as folder:
        generate_dataset(case.spec().task, Path(folder) / "data")
        steps = max(1, round(_rate(case, settings, Path(folder)) * seconds))
        stretches = 2 * pairs + 1
        spec = case.spec(*settings, f"evaluation.interval={steps}", f"training.max_steps={steps * stretches}")
        with Stretches() as stretch:
            train_model(
                spec, f"{folder}/data", f"{folder}/run", on_evaluation=stretch.ended, notify=stretch.learn_address
            )
    bookkeeping = _seconds_of_bookkeeping()
    ratio = paired_ratio(stretch.scraped, stretch.alone)
    return {
        "model": case.model,
        "steps_of_a_stretch": steps,
        "scrape_seconds": SCRAPE_SECONDS,
        "steps_per_second_scraped": 1 / statistics.median(stretch.scraped),
        "steps_per_second_alone": 1 / statistics.median(stretch.alone),
        "seconds_of_bookkeeping_per_step": bookkeeping,
        "overhead_percent": 100 * (ratio - 1 + bookkeeping / statistics.median(stretch.alone)),
        "cpu_overhead_percent": 100 * (paired_ratio(stretch.cpu_scraped, stretch.cpu_alone) - 1),
        "seconds_per_step": {"scraped": stretch.scraped, "alone": stretch.alone},
        "cpu_seconds_of_a_stretch": {"scraped": stretch.cpu_scraped, "alone": stretch.cpu_alone},
    }


class Stretches:
    """The scraper, and the seconds per step of each stretch of training. Use as a context manager.

    Attributes:
        scraped, alone: those of stretches with and without the scraper.
        cpu_scraped, cpu_alone: CPU seconds of this process in them, evaluations included: on a machine that has other
            things to do, the better measure.
    """

    def __init__(self) -> None:
        self.scraped: list[float] = []
        self.alone: list[float] = []
        self.cpu_scraped: list[float] = []
        self.cpu_alone: list[float] = []
        self._cpu = 0.0
        self._scraper: subprocess.Popen[bytes] | None = None
        self._scraping = False
        self._environment = patch.dict(os.environ, {PORT_VARIABLE: "0", "GROKCORE_METRICS_LINGER": "0"})

    def __enter__(self) -> Stretches:
        self._environment.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._environment.stop()
        if self._scraper is not None:
            self._scraper.kill()
            self._scraper.wait()

    def learn_address(self, line: str) -> None:
        url = line.removeprefix("metrics at ")
        if url != line:
            self._scraper = subprocess.Popen([sys.executable, "-c", _SCRAPER, url, str(SCRAPE_SECONDS)])
            self._scraper.send_signal(signal.SIGSTOP)

    def ended(self, line: JournalLine) -> None:
        """Note the stretch that has ended, but for the first step alone; begin one of the other sort."""
        rate = line["clock"]["steps_per_second"]
        cpu, before = time.process_time(), self._cpu
        if rate and line["step"] > 1:
            (self.scraped if self._scraping else self.alone).append(1 / rate)
            (self.cpu_scraped if self._scraping else self.cpu_alone).append(cpu - before)
        self._cpu = cpu
        assert self._scraper is not None, "training has not said where its metrics are"  # noqa: S101
        self._scraping = not self._scraping
        self._scraper.send_signal(signal.SIGCONT if self._scraping else signal.SIGSTOP)


def _rate(case: Case, settings: list[str], folder: Path) -> float:
    """Optimiser steps per second, about."""
    rates: list[float] = []
    spec = case.spec(*settings, "evaluation.interval=20", "training.max_steps=60")
    train_model(
        spec,
        folder / "data",
        folder / "warm-up",
        on_evaluation=lambda line: rates.append(line["clock"]["steps_per_second"] or 0.0),
    )
    return rates[-1]


def _seconds_of_bookkeeping(calls: int = 100_000) -> float:
    times = StepTimes(asynchronous=False)
    begin = time.perf_counter()
    for _ in range(calls):
        started = time.perf_counter()
        times.add_step(time.perf_counter() - started)
    return (time.perf_counter() - begin) / calls
