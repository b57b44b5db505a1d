"""The figures that the fast implementation was built to reach, as data.

They were set for inputs without the closing token (`loss_on: answer`), and for a demo of width 128; the demo of today,
of width 64, is held to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


class NotMeasuredError(Exception):
    """Why a document cannot judge a target."""


@dataclass(frozen=True)
class Target:
    work: str
    figure: float
    unit: str
    measure: Callable[[Document], float]
    """Raises NotMeasuredError."""
    device: str = "cpu"
    at_most: bool = False
    """Whether the figure is an upper limit rather than a lower one."""


def judge(document: Document) -> list[dict[str, Any]]:
    """Every target with what was measured and whether it was reached; or with the reason why it was not measured."""
    judged = []
    for target in TARGETS:
        line: dict[str, Any] = {
            "work": target.work,
            "figure": f"{'<=' if target.at_most else '>='} {target.figure:g} {target.unit}",
            "measured": None,
            "reached": None,
            "short_by": None,
            "not_measured_because": None,
        }
        try:
            if target.device not in ("any", document["settings"]["device"]):
                raise NotMeasuredError(f"this run was on {document['settings']['device']}")
            value = target.measure(document)
            short = value / target.figure - 1 if target.at_most else 1 - value / target.figure
            line |= {"measured": value, "reached": short <= 0, "short_by": max(0.0, short)}
        except NotMeasuredError as reason:
            line["not_measured_because"] = str(reason)
        judged.append(line)
    return judged


def times_as_fast(
    model: str, architecture: str, baselines: tuple[str, ...], precision: str, baseline_precision: str | None = None
) -> Callable[[Document], float]:
    """The ratio of (d) to the fastest of `baselines`, from the rounds of one case."""

    def measure(document: Document) -> float:
        row = _row(document, model, architecture, precision)
        names = [f"{name} {baseline_precision or precision}" for name in baselines]
        ratios = [row["times_as_fast_as"][name] for name in names if name in row["times_as_fast_as"]]
        if not ratios:
            raise NotMeasuredError(f"{' and '.join(names)} not part of this run")
        return float(min(ratios))

    return measure


def milliseconds(model: str, architecture: str, precision: str) -> Callable[[Document], float]:
    """Of a step of (d), the median."""
    return lambda document: float(_row(document, model, architecture, precision)["milliseconds_per_step"]["median"])


def part(*keys: str) -> Callable[[Document], float]:
    """Select a number from a part other than training steps."""

    def measure(document: Document) -> float:
        value: Any = document
        for key in keys:
            if key not in value:
                raise NotMeasuredError(f"{keys[0]} not part of this run")
            value = value[key]
        return float(value)

    return measure


def _row(document: Document, model: str, architecture: str, precision: str) -> dict[str, Any]:
    if precision == "bf16" and not document["machine"]["bf16_in_hardware"]:
        raise NotMeasuredError("this processor does not compute in bf16")
    wanted = {
        "model": model,
        "architecture": architecture,
        "loss_on": "answer",
        "variant": "fast-shared",
        "precision": precision,
    }
    for row in document["rows"]:
        if all(row[name] == value for name, value in wanted.items()):
            found: dict[str, Any] = row
            return found
    raise NotMeasuredError(f"{model} {architecture} in {precision} not part of this run")


_NAMES = {"gpt2": "GPT-2", "rwkv": "RWKV-4", "mamba": "Mamba-1"}
REFERENCE, TRANSFORMERS = ("reference",), ("transformers", "transformers-sdpa")


def _against(
    baselines: tuple[str, ...], architecture: str, figures: dict[tuple[str, str], float], device: str = "cpu"
) -> list[Target]:
    """By model and number format, how many times as fast as the fastest of `baselines` (d) is to be."""
    letter = "(a)" if baselines == REFERENCE else "(b)"
    return [
        Target(
            f"{model} {_NAMES[architecture]}, {device}, {precision}: (d) against {letter}",
            figure,
            "times as fast",
            times_as_fast(model, architecture, baselines, precision),
            device,
        )
        for (model, precision), figure in figures.items()
    ]


TARGETS: list[Target] = [
    *_against(REFERENCE, "gpt2", {("thesis", "fp32"): 9, ("thesis", "bf16"): 9}),
    Target(
        "thesis GPT-2, cpu: (d) in bf16 against (a) in fp32",
        30,
        "times as fast",
        times_as_fast("thesis", "gpt2", REFERENCE, "bf16", "fp32"),
    ),
    *_against(TRANSFORMERS, "gpt2", {("thesis", "fp32"): 2.0, ("thesis", "bf16"): 1.7}),
    *_against(TRANSFORMERS, "gpt2", {("demo-128", "fp32"): 2.2, ("demo-128", "bf16"): 2.0}),
    *_against(TRANSFORMERS, "gpt2", {("demo", "fp32"): 2.2, ("demo", "bf16"): 2.0}),
    *_against(TRANSFORMERS, "rwkv", {(model, "fp32"): 1.75 for model in ("demo-128", "demo", "thesis")}),
    *_against(TRANSFORMERS, "rwkv", {(model, "bf16"): 1.75 for model in ("demo-128", "demo", "thesis")}),
    *_against(TRANSFORMERS, "mamba", {("demo-128", "fp32"): 8, ("demo", "fp32"): 8, ("thesis", "fp32"): 6}),
    Target("demo, cpu, 8 seeds against one", 1.15, "times the steps/s", part("seeds", "ratio")),
    Target(
        "demo, scraped every second against not",
        1,
        "% of the steps/s",
        part("telemetry", "overhead_percent"),
        device="any",
        at_most=True,
    ),
    *_against(REFERENCE, "gpt2", {("thesis", "fp16"): 8, ("thesis", "bf16"): 8}, device="cuda"),
    *(
        Target(
            f"thesis GPT-2, cuda, {precision}: a step of (d)",
            1.5,
            "ms",
            milliseconds("thesis", "gpt2", precision),
            device="cuda",
            at_most=True,
        )
        for precision in ("fp16", "bf16")
    ),
    Target("demo, cuda, 16 seeds against one", 8, "times the steps/s", part("seeds", "ratio"), device="cuda"),
    Target(
        "thesis, cuda, training waits for checkpoints",
        2,
        "% of the time",
        part("checkpoints", "waited_percent"),
        device="cuda",
        at_most=True,
    ),
    Target(
        "dataset of the thesis against a loop over pairs",
        100,
        "times as fast",
        part("data_generation", "ratio"),
        device="any",
    ),
    Target("grokcore --help", 0.3, "s", part("command_line", "median"), device="any", at_most=True),
]
