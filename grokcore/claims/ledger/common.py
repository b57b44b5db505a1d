"""What many claims have in common."""

from __future__ import annotations

from grokcore.claims.claim import Confound
from grokcore.claims.conditions import Above, Condition, Is

COMPARISON = Is(field="task.kind", values=("comparison",))
ADAMW: tuple[Condition, ...] = (
    Is(field="training.optimizer", values=("adamw",)),
    Above(field="training.weight_decay", value=0),
)
"""The optimisation under which grokking is expected; claims that are not about it keep to it."""

IID, OOD = "test_inferred_iid", "test_inferred_ood"

THESIS = "N. P. Kanaka, Comparative Investigation of Grokking in Transformers and Beyond, 2024"
WANG = "arXiv 2405.15071"

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
    field="training.schedule", by="stratum", why="a falling learning rate brings generalisation forward on its own"
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
