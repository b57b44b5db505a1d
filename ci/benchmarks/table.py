"""Results as tables: for a terminal of 100 columns, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

Document = dict[str, Any]
Row = dict[str, Any]

COLUMNS = ("variant", "ms/step", "min", "max", "n", "steps/s", "examples/s", "MFU", "GiB", "x (a)", "x (b)")
BASELINES = {"x (a)": ("reference",), "x (b)": ("transformers", "transformers-sdpa")}
"""Columns of ratios: how many times as fast a row is as the fastest of these, in the same number format."""

EXPLANATION = """\
Median, smallest and largest time of an optimizer step over n repeats, in which the variants of a table take turns, each
in a process of its own; evaluations and checkpoints are outside. MFU (model FLOP utilization): the operations of the
plain model (every token in every block, the head at the supervised positions) divided by the time and by the speed of
the large matrix product above, so it counts what the learning problem needs, not what a variant computes. GiB: peak
memory, of the process on a CPU and allocated on a GPU. x (a), x (b): how many times as fast as the reference
conditions, and as the faster of transformers' attentions: the median of the ratios within each repeat."""


def terminal(rows: Sequence[Row]) -> str:
    """The rows of one case, at most 100 columns wide."""
    lines = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )


def speed_markdown(document: Document) -> str:
    peaks = ", ".join(f"{value / 1e9:,.0f} GFLOP/s {name}" for name, value in document["peak_flops"].items())
    settings = document["settings"]
    parts = [
        "# Speed of training",
        f"{_where(document)}, {settings['threads']} threads. A large matrix product: {peaks or 'not measured'}.",
        EXPLANATION,
    ]
    for key, rows in groupby(document["rows"], key=lambda row: (row["model"], row["architecture"], row["loss_on"])):
        model, architecture, loss_on = key
        parts += [f"## {model}, {architecture}, loss on {loss_on}", _table(COLUMNS, map(_cells, rows))]
    if document["failures"]:
        parts += ["## Failed", "\n".join(f"- {line}" for line in document["failures"])]
    others = other_parts(document)
    if others:
        parts += ["## Beside the training step", "\n".join(f"- {line}" for line in others)]
    if "models" in document:
        parts += _models(document["models"])
    header = ("work", "figure", "measured", "reached")
    parts += ["## Figures to reach", _table(header, map(_judged, document["targets"]))]
    if document.get("notes"):
        parts.append("\n".join(f"- {line}" for line in document["notes"]))
    profiles = [f"- {row['model']}, {row['architecture']}, {row['loss_on']}, {row['precision']}: {_profile(row)}"
                for row in document["rows"] if row["profile"]]  # fmt: skip
    if profiles:
        parts += [
            "## Where the time of the fastest variant goes",
            "Operators by their own share of the time, from torch's profiler.",
            "\n".join(profiles),
        ]
    return "\n\n".join(parts) + "\n"


def other_parts(document: Document) -> list[str]:
    """Format each part other than training steps as a line."""
    lines = []
    if "data_generation" in document:
        part = document["data_generation"]
        share = part["loop_measured_share"]
        scaled = "" if share == 1 else f" (measured on {share:.0%} of the attributes, and scaled)"
        lines.append(
            f"Data set of `{part['preset']}`: {part['library_seconds']['median']:.2f} s; a loop over single pairs, as "
            f"the public code has it, {part['loop_seconds']:.1f} s{scaled}: {part['ratio']:.0f} times as long."
        )
    if "command_line" in document:
        part = document["command_line"]
        lines.append(f"`{part['command']}`: {part['median']:.3f} s, median of {len(part['all'])}.")
    if "modular" in document:
        lines += _times_to_grok(document["modular"])
    if "seeds" in document:
        part = document["seeds"]
        alone = ", ".join(f"{rate:.1f} with {name}" for name, rate in part["steps_per_second_alone"].items())
        lines.append(
            f"{part['seeds']} seeds of `{part['model']}` at once: {part['steps_per_second_together']:.1f} steps/s "
            f"together; a single run {alone}: {part['ratio']:.2f} times the better of them."
        )
    if "checkpoints" in document:
        part = document["checkpoints"]
        lines.append(
            f"`{part['model']}` saved every {part['interval']:,} steps ({part['bytes'] / 2**20:,.0f} MiB): training "
            f"waits for it {part['waited_percent']:.2f} % of the time ({part['saved']} checkpoints in "
            f"{part['seconds']:.1f} s)."
        )
    if "telemetry" in document:
        part = document["telemetry"]
        lines.append(
            f"`{part['model']}` scraped every {part['scrape_seconds']:g} s: {part['steps_per_second_scraped']:.1f} "
            f"steps/s, {part['steps_per_second_alone']:.1f} while it is not; with its bookkeeping of "
            f"{part['seconds_of_bookkeeping_per_step'] * 1e6:.2f} us a step, telemetry costs "
            f"{part['overhead_percent']:.2f} % of them, and {part['cpu_overhead_percent']:.2f} % more CPU time "
            f"(medians of {len(part['seconds_per_step']['scraped'])} pairs)."
        )
    return lines


def _models(part: dict[str, Any]) -> list[str]:
    """Every variant of a model beside the GPT-2 of equal parameters."""
    header = ("model", "layers", "M parameters", "MFLOP/step", "ms/step", "ms/step of GPT-2", "times as long", "n")
    rows = [
        (
            row["variant"],
            str(row["layers"]),
            f"{row['parameters_without_embeddings'] / 1e6:.3f}",
            _number(row["flops_per_step"] / 1e6),
            _number(row["milliseconds_per_step"]),
            _number(row["milliseconds_per_step_of_gpt2"]),
            f"{row['times_as_long_as_gpt2']:.2f}",
            str(row["repeats"]),
        )
        for row in part["rows"]
    ]
    gpt2 = part["gpt2"]
    size = f"{gpt2['parameters_without_embeddings'] / 1e6:.3f} M parameters without embeddings"
    about = (
        f"The GPT-2 has {gpt2['layers']} layers, {size} and {_number(gpt2['flops_per_step'] / 1e6)} MFLOP a step; the "
        "others as many layers as come closest to it (`model.match=parameters`). Each takes turns with it."
    )
    return [
        f"## Models against the GPT-2 of equal parameters, `{part['model']}` in fp32, loss on {part['loss_on']}",
        about,
        _table(header, rows),
    ]


def targets_text(document: Document) -> list[str]:
    """A line for each target that this run can judge, for a terminal."""
    judged = [target for target in document["targets"] if target["measured"] is not None]
    width = max((len(target["work"]) for target in judged), default=0)
    return [
        f"{'ok  ' if target['reached'] else 'MISS'}  {target['work']:<{width}}  {target['figure']}: "
        f"{_number(target['measured'])}"
        for target in judged
    ]


def losses_markdown(document: Document) -> str:
    return "\n\n".join(
        ["# Loss on the answer alone, or on the closing token too", f"{_where(document)}.", *losses_text(document)]
    )


def losses_text(document: Document) -> list[str]:
    """Format the comparison of the two losses, by preset, as Markdown."""
    parts = []
    for comparison in document["comparisons"]:
        times = comparison["time_to_grok"]
        rows = [
            (
                split,
                f"{result['means']['accuracy']:.3f} at step {result['means']['at_step']:,}",
                f"{result['seeds']['accuracy']:.3f}",
                f"{result['beyond_seeds']['accuracy']:.3f} at step {result['beyond_seeds']['at_step']:,}",
            )
            for split, result in comparison["splits"].items()
        ]
        changes = f" with {', '.join(comparison['overrides'])}" if comparison["overrides"] else ""
        header = ("accuracy on", "largest difference of the means", "between seeds there", "beyond the other's seeds")
        parts += [f"## {comparison['preset']}{changes}, {comparison['seeds']} seeds", _table(header, rows)]
        parts.append("\n".join(_time_lines(times)))
    return parts


ABOUT_ACCELERATORS = """\
Each method takes turns with plain AdamW, all in one process, a turn of AdamW before and after each of its own; the
overhead is the median over rounds of the ratio to the mean of the two, with its quartiles. On a CPU, times are CPU time
of the process, which other programs on the machine do not lengthen. The row `AdamW again` is a second AdamW: what it
shows is noise. FLOPs: what the method adds to those of the plain model."""


def accelerators_markdown(document: Document) -> str:
    threads = document["settings"]["threads"]
    plural = "" if threads == 1 else "s"
    return (
        "\n\n".join(
            [
                "# Overhead of accelerators",
                f"{_where(document)}, {threads} thread{plural}.",
                ABOUT_ACCELERATORS,
                *accelerators_text(document),
                *("\n".join(f"- {line}" for line in document["notes"]) for _ in document.get("notes", [])[:1]),
            ]
        )
        + "\n"
    )


def accelerators_text(document: Document) -> list[str]:
    """Format the overhead of each method, by model, as Markdown."""
    parts = []
    for found in document["accelerators"]:
        header = ("method", f"{found['unit']} a step", "overhead", "quartiles", "FLOPs", "to reach", "reached")
        rows = [
            (
                row["variant"],
                _number(row["milliseconds_per_step"]),
                f"{row['overhead_percent']:.1f} %",
                " to ".join(f"{quartile:.1f}" for quartile in row["overhead_percent_quartiles"]) + " %",
                f"{row['flops_percent']:.1f} %",
                "" if row["target_percent"] is None else f"<= {row['target_percent']:g} %",
                {None: "", True: "yes", False: "**no**"}[row["reached"]],
            )
            for row in found["rows"]
        ]
        parts.append(
            f"## {found['model']}, {found['architecture']}: AdamW takes {_number(found['milliseconds_of_adamw'])} "
            f"{found['unit']} a step; {found['rounds']} rounds of {found['steps_of_a_turn']} steps"
        )
        parts.append(_table(header, rows))
    return parts


def _time_lines(times: dict[str, Any]) -> list[str]:
    lines = [
        f"- Sustained time to grok of {times['split']}, loss on {loss}: steps "
        + ", ".join("none" if step is None else f"{step:,}" for step in steps)
        for loss, steps in times["steps"].items()
    ]
    if times["pairs"]:
        lines.append(
            f"- Seed by seed, answer_and_eos takes {times['ratio']:.3f} times as many steps (geometric mean of "
            f"{times['pairs']}; exact sign-flip test: p = {times['p_value']:.2f})."
        )
    return lines


def _where(document: Document) -> str:
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    changed = " with uncommitted changes" if machine["uncommitted_changes"] else ""
    place = machine["gpu"] or f"{machine['processor']}, {machine['cores']} cores"
    return f"{document['date'][:10]}, commit {(machine['commit'] or 'unknown')[:12]}{changed}; {versions}; {place}"


def _cells(row: Row) -> tuple[str, ...]:
    times = row["milliseconds_per_step"]
    return (
        f"{row['label']} {row['precision']}",
        *(_number(times[name]) for name in ("median", "min", "max")),
        str(len(times["repeats"])),
        _number(row["steps_per_second"]),
        f"{row['examples_per_second']:,.0f}",
        f"{row['model_flop_utilisation']:.1%}",
        f"{row['peak_memory_bytes'] / 2**30:.1f}",
        *(_ratio(row, names) for names in BASELINES.values()),
    )


def _ratio(row: Row, baselines: Iterable[str]) -> str:
    names = [f"{name} {row['precision']}" for name in baselines]
    ratios = [row["times_as_fast_as"][name] for name in names if name in row["times_as_fast_as"]]
    is_baseline = row["variant"] == "reference" or row["variant"] in baselines
    return f"{min(ratios):.2f}" if ratios and not is_baseline else ""


def _judged(target: dict[str, Any]) -> tuple[str, ...]:
    if target["measured"] is None:
        return target["work"], target["figure"], "", f"not measured: {target['not_measured_because']}"
    reached = "yes" if target["reached"] else f"**no**, {target['short_by']:.0%} short"
    return target["work"], target["figure"], _number(target["measured"]), reached


def _profile(row: Row) -> str:
    return ", ".join(f"`{name}` {share:.0%}" for name, share in row["profile"].items())


def _times_to_grok(part: dict[str, Any]) -> list[str]:
    lines = []
    for implementation, run in part["by_implementation"].items():
        time = run["sustained"]
        reached = (
            f"{run['threshold']:g} on {run['split']} sustained from step {time['steps']:,}, {time['seconds']:.1f} s"
            if time
            else f"not within {run['steps_trained']:,} steps"
        )
        lines.append(f"Time to grok of `{part['preset']}`, `implementation: {implementation}`: {reached}.")
    return lines


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *rows))


def _number(value: float) -> str:
    """Three significant figures without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.1g}"
