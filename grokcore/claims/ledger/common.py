"""Conditions and confounds that many claims share."""

from __future__ import annotations

from grokcore.claims.claim import Confound, Published
from grokcore.claims.conditions import Above, AtLeast, Condition, Is

COMPARISON = Is(field="task.kind", values=("comparison",))
ADAMW: tuple[Condition, ...] = (
    Is(field="training.optimizer", values=("adamw",)),
    Above(field="training.weight_decay", value=0),
)
"""The optimization under which grokking is expected; claims that are not about it keep to it."""

IID, OOD = "test_inferred_iid", "test_inferred_ood"

THESIS = "N. P. Kanaka, Comparative Investigation of Grokking in Transformers and Beyond, 2024"
WANG = "arXiv 2405.15071"
SUMMARY = "Grokked Transformers Are Implicit Reasoners: Key Findings (a summary of arXiv 2405.15071)"

_RULES: tuple[Condition, ...] = (
    AtLeast(field="evaluation.sustain", value=3),
    AtLeast(field="evaluation.window", value=1.1),
)
"""Published curves stay at the threshold: a single crossing does not count."""

_OPTIMIZATION: tuple[Condition, ...] = (
    Is(field="training.optimizer", values=("adamw",)),
    Is(field="training.learning_rate", values=(1e-4,)),
    Is(field="training.weight_decay", values=(0.1,)),
    Is(field="training.batch_size", values=(512,)),
    Is(field="training.gradient_accumulation", values=(1,)),
    Is(field="training.gradient_clip", values=(1.0,)),
    Is(field="training.schedule", values=("constant",)),
    Is(field="training.warmup_steps", values=(2000,)),
    Is(field="training.loss_on", values=("answer_and_eos",)),
    Is(field="training.precision", values=("fp16",)),
    Is(field="training.label_smoothing", values=(0.0,)),
)
_MODEL: tuple[Condition, ...] = (
    Is(field="model.layers", values=(8,)),
    Is(field="model.width", values=(768,)),
    Is(field="model.init", values=("published",)),
    Is(field="model.dropout", values=(0.0,)),
)
_GPT2 = Is(field="model.architecture", values=("gpt2",))
_DATA: tuple[Condition, ...] = (
    Is(field="task.entities", values=(1000,)),
    Is(field="task.attributes", values=(20,)),
    Is(field="task.values", values=(20,)),
    Is(field="task.phi", values=(12.6,)),
    Is(field="task.id_ratio", values=(0.9,)),
)
_COMPOSITION: tuple[Condition, ...] = (
    Is(field="task.entities", values=(2000,)),
    Is(field="task.relations", values=(200,)),
    Is(field="task.out_degree", values=(20,)),
    Is(field="task.hops", values=(2,)),
    Is(field="task.ood_ratio", values=(0.05,)),
)


def _with(conditions: tuple[Condition, ...], instead: tuple[Condition, ...], free: tuple[str, ...]) -> Published:
    """Published conditions, some of them replaced by others on their fields, some left out."""
    replaced = {*free, *(condition.field for condition in instead)}
    kept = [condition for condition in (*conditions, *_RULES) if condition.field not in replaced]
    return Published(conditions=(*kept, *instead))


def comparison(
    *instead: Condition, free: tuple[str, ...] = (), threshold: float = 0.99, budget: float | None = 33.0
) -> Published:
    """The thesis' fixed configuration of the comparison task (GPT-2, unless the architecture is free).

    Args:
        instead: conditions that replace those on their fields: what the source varies.
        free: fields that the claim leaves open.
        budget: in times to memorize; 33 is GPT-2's 1M steps after it memorized at 30k.
    """
    found = _with((*_DATA, _GPT2, *_MODEL, *_OPTIMIZATION), instead, free)
    return found.model_copy(update={"threshold": threshold, "budget": budget})


def composition(*instead: Condition, free: tuple[str, ...] = ()) -> Published:
    """The published composition task: GPT-2, followed to 2M steps after it memorized at 14k."""
    found = _with((*_COMPOSITION, _GPT2, *_MODEL, *_OPTIMIZATION), instead, free)
    return found.model_copy(update={"budget": 143.0})


LOSS_ON = Confound(
    field="training.loss_on",
    by="stratum",
    why="the published code also supervises the closing token, which makes the same task slower to grok",
)
PRECISION = Confound(
    field="training.precision",
    by="stratum",
    why="fp16 scales the loss, which recurrences take worse than attention does",
)
DECAY_GROUPS = Confound(
    field="training.decay_groups",
    by="stratum",
    why="the published code decays LLaMA's and Mamba's norms, Mamba's A_log and D, and RWKV's time_decay",
)
SCHEDULE = Confound(
    field="training.schedule", by="stratum", why="a falling learning rate brings generalization forward on its own"
)
ARCHITECTURE = Confound(
    field="model.architecture", by="stratum", why="published for GPT-2 only; other architectures may differ"
)
LEARNING_RATE = Confound(
    field="training.learning_rate",
    by="equality",
    why="one learning rate for all favours what it happens to suit; state space models work in a narrow window only",
)
WEIGHT_DECAY = Confound(
    field="training.weight_decay",
    by="equality",
    why="the time to grok depends on weight decay, and the best value need not be the same",
)
COMMON = (LOSS_ON, PRECISION, SCHEDULE)
