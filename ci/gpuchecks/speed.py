"""The benchmark's rows on a GPU, by the code of ci/bench; in a rehearsal those of its smallest model on the CPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ci.benchmarks import machine, run
from ci.benchmarks.cases import Case
from ci.benchmarks.checkpoints import measure_waiting
from ci.benchmarks.results import SpeedResults
from ci.benchmarks.rounds import Effort
from ci.benchmarks.seeds import compare_seeds
from ci.gpuchecks.setting import AbsentError, Setting
from grokcore.errors import GrokcoreError
from grokcore.storage import read_json

FOLDER = "benchmarks"
"""Of results files in the format of ci/bench, below the results."""
ARCHITECTURES = ("gpt2", "llama", "rwkv", "mamba")
SEEDS = 16
EFFORT = Effort(repeats=4, burst_seconds=0.4, most_seconds=3)
TOY_EFFORT = Effort(repeats=1, burst_seconds=0.05, most_seconds=0.1)


def measure_steps(setting: Setting) -> None:
    """Milliseconds, memory and ratios of a step; the thesis' GPT-2 first, since a budget may end before the rest."""
    if setting.rehearse:
        _measure(setting, ["smoke"], ["gpt2"], ["fast-shared"], ["fp32"])
        return
    halves, everybody = ["fp16", "bf16"], ["reference", "transformers", "transformers-sdpa", "fast-shared"]
    _measure(setting, ["thesis"], ["gpt2"], everybody, halves)
    _measure(setting, ["demo"], ["gpt2"], everybody, ["fp32", "bf16"])
    _measure(setting, ["thesis"], ARCHITECTURES[1:], ["transformers", "fast-shared"], ["bf16"])
    _measure(setting, ["demo"], ARCHITECTURES[1:], ["transformers", "fast-shared"], ["bf16"])


def measure_deepspeed(setting: Setting) -> None:
    """DeepSpeed's step and the native one, in turns."""
    if importlib.util.find_spec("deepspeed") is None:
        raise AbsentError("deepspeed is not installed and no wheel of it was carried along")
    if setting.rehearse:
        _measure(setting, ["smoke"], ["gpt2"], ["fast-shared", "deepspeed"], ["fp32"])
        return
    for model in ("thesis", "demo"):
        _measure(setting, [model], ["gpt2"], ["fast-shared", "deepspeed"], ["fp16", "bf16"])


def _measure(setting: Setting, models: Any, architectures: Any, variants: Any, precisions: Any) -> None:
    settings = run.Settings(
        models=models,
        architectures=architectures,
        losses=["answer"],
        variants=variants,
        precisions=precisions,
        parts=[run.STEPS],
        device=setting.device,
        threads=_threads(setting),
        seeds=SEEDS,
        effort=TOY_EFFORT if setting.rehearse else EFFORT,
    )
    try:
        run.measure_speed(settings, setting.out / FOLDER)
    except GrokcoreError as error:
        setting.problem(f"{', '.join(models)} of {', '.join(architectures)}: {error}")
    path = files(setting.out)[-1]
    for row in read_json(path)["rows"]:
        names = ("model", "architecture", "variant", "precision", "peak_memory_bytes")
        median = row["milliseconds_per_step"]["median"]
        setting.add(file=path.name, **{name: row[name] for name in names}, milliseconds_per_step=median)


def measure_packing(setting: Setting) -> None:
    """Steps of many seeds at once against those of one, and the time that training waits for checkpoints."""
    small, threads = "smoke" if setting.rehearse else "demo", _threads(setting)
    effort = TOY_EFFORT if setting.rehearse else EFFORT
    results = SpeedResults(setting.out / FOLDER, device=setting.device, threads=threads, effort=effort)
    seeds, repeats = (2, 1) if setting.rehearse else (SEEDS, 3)
    packed = compare_seeds(
        Case(small, "gpt2", "answer"),
        seeds,
        device=setting.device,
        threads=threads,
        effort=effort,
        repeats=repeats,
        strategy="stacked",
    )
    results.set("seeds", packed)
    setting.add(file=results.path.name, **packed)
    if setting.rehearse:
        waiting = measure_waiting(Case(small, "gpt2", "answer"), device="cpu", threads=threads, saves=2, interval=10)
    else:
        waiting = measure_waiting(Case("thesis", "gpt2", "answer"), device="cuda", threads=threads, saves=2)
    results.set("checkpoints", waiting)
    setting.add(file=results.path.name, **waiting)


def _threads(setting: Setting) -> int:
    return 1 if setting.rehearse else machine.cores()


def files(out: Path) -> list[Path]:
    """Return the results files, in the order in which they were begun."""
    return sorted((out / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime)
