"""Made-up runs in which a claim is true, false, or cannot be told: the same for every claim of the ledger."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grokcore.claims.ledger.common import IID, OOD
from grokcore.runs.analysis import AnalysisDocument, Headline
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec
from tests.evaluation.made_up import Curve, Rise, record

MEMORIZED = 20
"""Step at which all these runs have memorized."""

Runs = Sequence[RunRecord]


def group(
    *overrides: str,
    at: float | None,
    seeds: int = 5,
    first_seed: int = 0,
    steps: int = 2000,
    iid: float | None = 100,
    base: str = "smoke",
    ood: Callable[[float | None], Curve] = Rise,
    atomic: Curve | None = None,
    flops: float = 1e9,
) -> list[RunRecord]:
    """Runs that grok OOD at about `at` (a tenth around it, by seed), or not at all; `iid` likewise."""
    spec = load_spec(
        base,
        [
            "training.precision=fp32",
            "model.layers=2",
            "evaluation.interval=100000",
            "evaluation.growth=1.03",
            f"training.max_steps={steps}",
            *overrides,
        ],
    )
    runs = []
    for place in range(seeds):
        spread = 1 + 0.05 * (place - (seeds - 1) / 2)
        times = [None if time is None else time * spread for time in (iid, at)]
        curves = {IID: Rise(times[0]), OOD: ood(times[1])}
        seeded = spec.model_copy(update={"seed": first_seed + place})
        runs.append(record(seeded, Rise(MEMORIZED), curves, atomic=atomic, flops=flops))
    return runs


def inside(
    metric: str, *values: float | None, split: str, analysis: str = "circuit", seeds: int = 5, base: str = "smoke"
) -> list[RunRecord]:
    """Runs that were analyzed at as many steps as there are values, the first being that of `memorized`."""
    runs = group(at=600, seeds=seeds, base=base)
    end = runs[0].evaluation.step
    steps = [*(MEMORIZED * (place + 1) for place in range(len(values) - 1)), end]
    headlines = [
        Headline(
            step=step,
            analysis=analysis,
            split=split,
            case="",
            target="",
            metric=metric,
            value=value,
            lower=None,
            upper=None,
            n=100,
        )
        for step, value in zip(steps, values, strict=True)
    ]
    return [
        replace(
            run,
            analysis=AnalysisDocument(
                run_id=run.manifest.run_id,
                task=run.spec.task.kind,
                architecture=run.spec.model.architecture,
                layers=2,
                analysis={"examples": 300, "seed": 0},
                analysis_id="0" * 16,
                steps=steps,
                milestones={"memorized": steps[0]},
                questions=[],
                left_out={},
                headlines=headlines,
                table_sha256="0" * 64,
            ),
        )
        for run in runs
    ]


def second(gain: float, *, source: int = 400, seeds: int = 5) -> list[RunRecord]:
    """Second trainings of 400 steps from the end of a first one of `source` steps, with a gain on all chains."""
    task = ("task.relations=20", "task.phi=6", "task.test_ratio=0.2", "task.new_facts={facts: 200, chained: 130}")
    runs = []
    for seed in range(seeds):
        start = f"{{model: gone, parts: all, sha256: '{seed:064x}', width: 64, group: first}}"
        spec = load_spec(
            "composition-small",
            [*task, f"model.start_from={start}", f"seed={seed}", "training.max_steps=400", "evaluation.interval=100"],
        )
        chains = {split: Rise(200, low=0.125, high=0.125 + gain) for split in ("new_old", "old_new", "new_new")}
        cost = {"uri": "gone", "sha256": f"{seed:064x}", "run_id": "0" * 16, "steps": source, "uses_held_out": False}
        runs.append(record(spec, Rise(100, low=0.5), chains, source=cost))
    return runs


@dataclass(frozen=True)
class PeakDip:
    """Peaks at twice the time to memorize, dips, and reaches 1 at `at`."""

    at: float | None

    def __call__(self, step: int) -> float:
        if step <= 1.5 * MEMORIZED:
            return Rise(1.5 * MEMORIZED, high=0.88)(step)
        if step <= 4 * MEMORIZED:
            return 0.88 - 0.08 * min(1.0, math.log(step / (1.5 * MEMORIZED)) / math.log(2))
        return Rise(self.at, low=0.8)(step)


@dataclass(frozen=True)
class Spike:
    """Half-way at `spike`, and at 1 at `at`."""

    at: float | None
    spike: float

    def __call__(self, step: int) -> float:
        return 0.45 if step < self.spike else max(0.75, Rise(self.at, low=0.75)(step))


def wobbling(step: int) -> float:
    """Learned by step 25, and lost and regained ever since."""
    return Rise(25, low=0.1)(step) if step <= 40 else 0.9 + 0.08 * math.cos(8 * math.log(step))


def doses(*levels: str, times: Sequence[float | None], seeds: int = 4, **more: object) -> list[RunRecord]:
    return [
        run
        for level, at in zip(levels, times, strict=True)
        for run in group(*level.split(), at=at, seeds=seeds, **more)  # type: ignore[arg-type]
    ]


def against(first: str, second: str, times: tuple[float | None, float | None], seeds: int = 5, **more: object) -> Runs:
    return doses(first, second, times=times, seeds=seeds, **more)


@dataclass(frozen=True)
class Truth:
    """Makers of runs that should come to each verdict."""

    holds_here: Callable[[], Runs]
    does_not_hold_here: Callable[[], Runs]
    underpowered: Callable[[], Runs]


GPT2, LLAMA, RWKV, MAMBA = (f"model.architecture={name}" for name in ("gpt2", "llama", "rwkv", "mamba"))
ENTITIES = ("task.entities=400 task.attributes=1", "task.entities=40 task.attributes=10")
VALUES = ("task.values=3", "task.values=6", "task.values=12")
PHI = ("task.phi=2", "task.phi=4", "task.phi=8")
SIZES = ("task.attributes=2", "task.attributes=4", "task.attributes=8")
SPARSE = ("task.entities=40 task.attributes=8", "task.entities=80 task.attributes=4", "task.entities=160")
BALANCE = ("task.id_ratio=0.6", "task.id_ratio=0.8", "task.id_ratio=0.9")
HEADS = ("model.heads=1", "model.heads=2", "model.heads=4")
ACCUMULATION = ("training.gradient_accumulation=1", "training.gradient_accumulation=4")
DEPTHS = ("model.layers=1", "model.layers=2", "model.layers=4")
WIDTHS = ("model.width=32", "model.width=64 model.heads=4", "model.width=128 model.heads=4")
DECAY = ("training.weight_decay=0", "training.weight_decay=0.1")
DROPOUT = ("model.dropout=0", "model.dropout=0.1")
ADAMW, SGD = "training.weight_decay=0.1", "training.optimizer=sgd training.weight_decay=0 training.learning_rate=0.1"
DROP = ("training.schedule=constant", "training.schedule=phase training.drop_on=[{'phase':'memorized'}]")
BATCHES = ("training.batch_size=32", "training.batch_size=64", "training.batch_size=128")
ADAM = "training.weight_decay=0.1 training.optimizer=adam"
COMPOSITION = ("training.weight_decay=0.1",)
SHARING = ("model.layers=4", "model.sharing.kind=blocks")
RETNET, GLA = "model.architecture=retnet", "model.architecture=gla"


def spikes(values: Sequence[str], spike: Sequence[float], times: Sequence[float], seeds: int = 4) -> Runs:
    return [
        run
        for level, early, at in zip(values, spike, times, strict=True)
        for run in group(level, at=at, seeds=seeds, ood=lambda time, early=early: Spike(time, early))  # type: ignore[misc]
    ]


def mamba(curve: Curve, seeds: int = 5, reference: Curve | None = None) -> Runs:
    return [*group(GPT2, at=100, seeds=5, atomic=reference), *group(MAMBA, at=None, seeds=seeds, atomic=curve)]


TRUTHS: dict[str, Truth] = {
    "gpt2-groks": Truth(
        lambda: group(GPT2, at=600),
        lambda: group(GPT2, at=None),
        lambda: group(GPT2, at=600, seeds=4),
    ),
    "llama-groks-later": Truth(
        lambda: against(GPT2, LLAMA, (100, 300)),
        lambda: against(GPT2, LLAMA, (300, 100)),
        lambda: against(GPT2, LLAMA, (100, 300), seeds=3),
    ),
    "rwkv-does-not-grok": Truth(
        lambda: against(GPT2, RWKV, (100, None)),
        lambda: [*against(GPT2, RWKV, (100, None)), *group(RWKV, at=250, seeds=1, first_seed=7)],
        lambda: [*group(GPT2, at=100), *group(RWKV, at=None, steps=200)],
    ),
    "mamba-does-not-grok": Truth(
        lambda: against(GPT2, MAMBA, (100, None)),
        lambda: against(GPT2, MAMBA, (100, 250)),
        lambda: against(GPT2, MAMBA, (None, None)),
    ),
    "mamba-atomic-unstable": Truth(
        lambda: mamba(wobbling),
        lambda: mamba(Rise(25)),
        lambda: mamba(wobbling, seeds=3),
    ),
    "gpt2-early-peak": Truth(
        lambda: group(GPT2, at=600, ood=PeakDip),
        lambda: group(GPT2, at=600),
        lambda: group(GPT2, at=None, ood=PeakDip, steps=500),
    ),
    "few-entities-never-grok": Truth(
        lambda: against(*ENTITIES, (100, None)),
        lambda: against(*ENTITIES, (100, 250)),
        lambda: against(*ENTITIES, (100, None), seeds=4),
    ),
    "fewer-values-sooner": Truth(
        lambda: doses(*VALUES, times=(100, 200, 400)),
        lambda: doses(*VALUES, times=(400, 200, 100)),
        lambda: doses(*VALUES[:2], times=(100, 200), seeds=3),
    ),
    "more-values-spike-sooner": Truth(
        lambda: spikes(VALUES, (80, 40, 20), (100, 200, 400)),
        lambda: spikes(VALUES, (20, 40, 80), (100, 200, 400)),
        lambda: spikes(VALUES[:2], (80, 40), (100, 200), seeds=3),
    ),
    "higher-phi-sooner": Truth(
        lambda: doses(*PHI, times=(None, 400, 200)),
        lambda: doses(*PHI, times=(100, 200, 400)),
        lambda: doses(*PHI, times=(None, None, None)),
    ),
    "size-matters-little": Truth(
        lambda: doses(*SIZES, times=(200, 205, 198)),
        lambda: doses(*SIZES, times=(800, 400, 100)),
        lambda: doses(*SIZES[:2], times=(200, 200), seeds=3),
    ),
    "sparse-data-sooner": Truth(
        lambda: doses(*SPARSE, times=(400, 200, 100)),
        lambda: doses(*SPARSE, times=(100, 200, 400)),
        lambda: doses(*SPARSE[:2], times=(400, 200), seeds=3),
    ),
    "balanced-data-sooner": Truth(
        lambda: doses(*BALANCE, times=(100, 200, 400)),
        lambda: doses(*BALANCE, times=(400, 200, 100)),
        lambda: doses(*BALANCE[:2], times=(100, 200), seeds=3),
    ),
    "more-heads-sooner": Truth(
        lambda: doses(*HEADS, times=(None, 400, 200)),
        lambda: doses(*HEADS, times=(200, 200, 210)),
        lambda: doses(*HEADS[1:], times=(400, 200), seeds=2),
    ),
    "deeper-sooner": Truth(
        lambda: doses(*DEPTHS, times=(None, 400, 200)),
        lambda: doses(*DEPTHS, times=(200, 200, 210)),
        lambda: doses(*DEPTHS[1:], times=(400, 200), seeds=2),
    ),
    "width-does-not-help": Truth(
        lambda: doses(*WIDTHS, times=(200, 205, 210)),
        lambda: doses(*WIDTHS, times=(400, 200, 100)),
        lambda: doses(*WIDTHS[:2], times=(200, 200), seeds=3),
    ),
    "decay-speeds": Truth(
        lambda: against(*DECAY, (None, 200)),
        lambda: against(*DECAY, (100, 300)),
        lambda: against(*DECAY, (None, 200), seeds=3),
    ),
    "decay-may-delay": Truth(
        lambda: against(*DECAY, (100, 300)),
        lambda: against(*DECAY, (300, 100)),
        lambda: against(*DECAY, (100, 300), seeds=3),
    ),
    "dropout-delays": Truth(
        lambda: against(*DROPOUT, (100, 300)),
        lambda: against(*DROPOUT, (300, 100)),
        lambda: against(*DROPOUT, (100, 300), seeds=2),
    ),
    "dropout-aids": Truth(
        lambda: against(*DROPOUT, (None, 200)),
        lambda: against(*DROPOUT, (100, 300)),
        lambda: against(*DROPOUT, (None, 200), steps=300),
    ),
    "time-does-not-suffice": Truth(
        lambda: against(ADAMW, SGD, (150, None)),
        lambda: against(ADAMW, SGD, (150, 1200)),
        lambda: against(ADAMW, SGD, (300, None)),
    ),
    "rate-drop-helps": Truth(
        lambda: against(*DROP, (400, 150)),
        lambda: against(*DROP, (150, 400)),
        lambda: against(*DROP, (400, 150), seeds=3),
    ),
    "smaller-batches-help": Truth(
        lambda: doses(*BATCHES, times=(200, 200, 200)),
        lambda: doses(*BATCHES, times=(800, 200, 50)),
        lambda: doses(*BATCHES[:2], times=(200, 200), seeds=3),
    ),
    "accumulation-alike": Truth(
        lambda: against(*ACCUMULATION, (200, 201), seeds=8),
        lambda: against(*ACCUMULATION, (100, 300)),
        lambda: against(*ACCUMULATION, (200, 200), seeds=3),
    ),
    "adamw-sooner": Truth(
        lambda: against(ADAMW, ADAM, (100, 300)),
        lambda: against(ADAMW, ADAM, (300, 100)),
        lambda: against(ADAMW, ADAM, (100, 300), seeds=3),
    ),
    "composition-groks-id-only": Truth(
        lambda: group(*COMPOSITION, at=None, iid=300, base="composition-small"),
        lambda: group(*COMPOSITION, at=1000, iid=300, base="composition-small"),
        lambda: group(*COMPOSITION, at=None, iid=300, base="composition-small", steps=400),
    ),
    "sharing-brings-ood": Truth(
        lambda: against(*SHARING, (None, 600), iid=300, base="composition-small"),
        lambda: against(*SHARING, (300, None), iid=300, base="composition-small"),
        lambda: against(*SHARING, (None, 600), iid=300, base="composition-small", seeds=3),
    ),
    "same-path-before-and-after": Truth(
        lambda: inside("path_similarity", 1.0, 0.95, split=IID),
        lambda: inside("path_similarity", 1.0, 0.85, split=IID),
        lambda: [*inside("path_similarity", 1.0, 0.95, split=IID, seeds=4), *group(at=600, seeds=1, first_seed=4)],
    ),
    "accuracy-and-path-part": Truth(
        lambda: inside("fake_grok", 0.0, 0.0, 1.0, 0.0, split=OOD, base="composition-small"),
        lambda: inside("circuit_without_accuracy", 0.0, 0.0, 0.0, split=OOD, base="composition-small"),
        lambda: inside("fake_grok", 0.0, 1.0, split=OOD, base="composition-small"),
    ),
    "grown-circuit-transfers-little": Truth(
        lambda: second(0.05),
        lambda: second(0.25, source=4000),
        lambda: second(0.05, source=4000),
    ),
    "attention-aligns": Truth(
        lambda: inside("mass_on_relevant", 0.4, 0.3, 0.5, split=OOD, analysis="mixing"),
        lambda: inside("mass_on_relevant", 0.4, 0.5, 0.44, split=OOD, analysis="mixing"),
        lambda: inside("mass_on_relevant", None, 0.5, split=OOD, analysis="mixing"),
    ),
    "grokking-needs-softmax": Truth(
        lambda: [*against(GPT2, RETNET, (100, None)), *group(GLA, at=None)],
        lambda: [*against(GPT2, RETNET, (100, None)), *group(GLA, at=250)],
        lambda: against(LLAMA, RETNET, (None, None)),
    ),
}
