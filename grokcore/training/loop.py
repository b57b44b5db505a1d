"""The training loop: evaluate, save and step until there is a reason to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import deterministic

from grokcore.evaluation import next_evaluation
from grokcore.evaluation.threads import cpu_threads
from grokcore.runs.journal import JournalLine
from grokcore.runs.manifest import ExitReason
from grokcore.spec import EvaluationSpec
from grokcore.training.precision import MIN_SCALE
from grokcore.training.recorder import Recorder
from grokcore.training.signals import StopRequest
from grokcore.training.trainer import Trainer

MAX_RESTARTS = 3
"""Number of times that training walks back from a divergence before it ends."""


def train(
    trainer: Trainer,
    recorder: Recorder,
    stop: StopRequest,
    on_evaluation: Callable[[dict[str, Any]], ExitReason | None],
) -> ExitReason:
    """Train until a budget is used up, the split of `stop_on_grok` is sustained, training diverges, or `stop`.

    Args:
        recorder: writes the run.
        stop: checked before every step, and between the batches of an evaluation.
        on_evaluation: called with every new line of the journal; training ends with a reason that it returns, unless
            it ends anyway.
    """
    steps = training_steps(trainer, recorder, stop, on_evaluation)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            reason: ExitReason = end.value
            return reason
        begin, begin_cpu = time.perf_counter(), time.process_time()
        trainer.take_step()
        trainer.count_step(time.perf_counter() - begin, time.process_time() - begin_cpu)


def training_steps(
    trainer: Trainer,
    recorder: Recorder,
    stop: StopRequest,
    on_evaluation: Callable[[dict[str, Any]], ExitReason | None],
) -> Generator[None, None, ExitReason]:
    """Do all of `train` but the optimizer steps: yield where the next is due, return why training ends.

    So a caller can take the steps of several runs at once.
    """
    training, state, lines = trainer.training, trainer.state, recorder.lines
    trainer.start(lines)
    evaluated, due = _evaluations(lines, trainer.spec.evaluation)
    # Walking back needs a checkpoint from the first step on.
    saved = state.step if recorder.checkpoint is not None or training.on_nonfinite != "walk_back" else -1
    while True:
        recorder.check()
        reason, milestones = exit_reason(trainer, lines), list[str]()
        if state.step >= due or (reason not in (None, "diverged") and evaluated < state.step):
            line = trainer.evaluate(lines, stop, recorder.costs())
            if line is None:
                reason = "stopped"  # in the middle of an evaluation, which the resumed run makes
            else:
                milestones = new_phases(lines[-1]["phases"] if lines else {}, line["phases"])
                recorder.append(line)
                asked = on_evaluation(line)
                evaluated, due = _evaluations(lines, trainer.spec.evaluation)
                reason = exit_reason(trainer, lines) or asked
        if _can_walk_back(trainer, reason):
            _walk_back(trainer, recorder)
            evaluated, due = _evaluations(lines, trainer.spec.evaluation)
            saved = state.step
            continue
        if stop.requested and reason is None:
            reason = "stopped"
        if reason is not None:
            recorder.finish(trainer.checkpoint(recorder.journal), milestones, hurry=reason == "stopped")
            return reason
        interval = training.checkpoint_interval
        if milestones or saved < 0 or (interval and state.step % interval == 0 and state.step > saved):
            begin = time.monotonic()
            recorder.save(trainer.checkpoint(recorder.journal), milestones)
            trainer.clock.exclude(time.monotonic() - begin)
            saved = state.step
        yield


def exit_reason(trainer: Trainer, lines: Sequence[JournalLine]) -> ExitReason | None:
    """Return why training ends here, or None where it goes on."""
    training, step = trainer.training, trainer.state.step
    if lines and _diverged(lines[-1]):
        return "diverged"
    if training.stop_on_grok and lines:
        sustained = lines[-1]["phases"][training.stop_on_grok.split]["sustained"]
        if sustained is not None and step >= training.stop_on_grok.tail * sustained:
            return "grokked"
    if step >= training.max_steps:
        return "budget_steps"
    if training.max_seconds is not None and trainer.clock.elapsed() >= training.max_seconds:
        return "budget_seconds"
    return None


def has_ended(trainer: Trainer, lines: Sequence[JournalLine]) -> bool:
    """Tell whether nothing is left to train after these lines."""
    reason = exit_reason(trainer, lines)
    return reason is not None and not _can_walk_back(trainer, reason)


def new_phases(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the phases that a line confirms and the line before did not: `memorized`, SPLIT.onset or SPLIT.sustained."""
    found = ["memorized"] if now["memorized"] is not None and before.get("memorized") is None else []
    for split, phases in now.items():
        if split != "memorized":
            known = before.get(split, {})
            found += [
                f"{split}.{name}"
                for name in ("onset", "sustained")
                if phases[name] is not None and known.get(name) is None
            ]
    return found


def _can_walk_back(trainer: Trainer, reason: ExitReason | None) -> bool:
    walks_back = trainer.training.on_nonfinite == "walk_back"
    return reason == "diverged" and walks_back and trainer.state.restarts < MAX_RESTARTS


def _walk_back(trainer: Trainer, recorder: Recorder) -> None:
    """Continue from the last good checkpoint with another order of the data.

    Nothing is written down for it: the steps from that checkpoint on are the same for a run that resumes there, and
    lead back here.
    """
    diverged_at, restarts = trainer.state.step, trainer.state.restarts + 1
    trainer.restore(recorder.walk_back(before=diverged_at), restarts=restarts)
    trainer.start(recorder.lines)
    trainer.notify(
        f"training diverged before step {diverged_at}: going on from step {trainer.state.step} with another order of "
        f"the data (restart {restarts} of {MAX_RESTARTS})"
    )


def _diverged(line: JournalLine) -> bool:
    """Tell whether loss or weights are not finite, or gradients still overflow at the smallest loss scale."""
    scale = line["loss_scale"]
    return line["train"]["loss"] is None or line["weight_norm"] is None or (scale is not None and scale <= MIN_SCALE)


def _evaluations(lines: Sequence[JournalLine], rules: EvaluationSpec) -> tuple[int, int]:
    """Return the step of the last evaluation, -1 before the first, and that of the next."""
    evaluated = lines[-1]["step"] if lines else -1
    return evaluated, next_evaluation(evaluated, rules) if lines else 0


@contextmanager
def reproducible(seed: int, device: torch.device, threads: int | None) -> Iterator[None]:
    """Draw dropout from `seed` and use deterministic kernels on a GPU inside the block, with `threads` CPU threads.

    On a CPU, numbers too small for the usual format (below 1.2e-38 in fp32) count as 0: where gradients have died
    away, optimizer state decays into that range and stays there, and each operation on it takes many times as
    long. The caller's settings are restored afterwards.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = deterministic  # its setting is a property of the module, which mypy does not know
    filled_before = memory.fill_uninitialized_memory
    flushed_before = _flushes_denormals()
    with cpu_threads(threads, device), torch.random.fork_rng(devices):
        torch.manual_seed(seed % 2**63)
        torch.use_deterministic_algorithms(device.type == "cuda", warn_only=True)
        memory.fill_uninitialized_memory = False  # a debugging aid: one more kernel for every new tensor
        torch.set_flush_denormal(device.type == "cpu" or flushed_before)
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed_before)
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            memory.fill_uninitialized_memory = filled_before


def _flushes_denormals() -> bool:
    """Tell whether this thread takes denormal numbers for 0, which torch can set but not tell."""
    return (torch.tensor(1e-40) * 1).item() == 0
