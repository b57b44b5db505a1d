"""What is said of models that share blocks, and of models without softmax attention."""

from __future__ import annotations

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import Is
from grokcore.claims.factors import Sides
from grokcore.claims.ledger.architectures import confounds
from grokcore.claims.ledger.common import (
    ADAMW,
    COMMON,
    COMPARISON,
    LEARNING_RATE,
    OOD,
    SUMMARY,
    THESIS,
    WANG,
    WEIGHT_DECAY,
    comparison,
    composition,
)
from grokcore.claims.predicates import Every, Groks, NeverGroks

_SHARING = "model.sharing.kind"
_SOFTMAX = Is(field="model.architecture", values=("gpt2", "llama"))
_WITHOUT = Is(
    field="model.architecture",
    values=("rwkv", "mamba", "linear_attention", "retnet", "gla", "deltanet", "mamba2", "rwkv6"),
)

CLAIMS = (
    Claim(
        number=21,
        id="sharing-brings-ood",
        statement="A transformer whose blocks run twice composes two hops out of domain, where a plain one does not.",
        source=f"{WANG}, appendix on parameter sharing: 4 layers that run twice, weight decay .3",
        about=(
            Is(field="task.kind", values=("composition",)),
            *ADAMW,
            Is(field="model.architecture", values=("gpt2",)),
        ),
        factor=Sides(
            first=(Is(field=_SHARING, values=("none",)),),
            second=(Is(field=_SHARING, values=("blocks",)),),
            names=("plain", "shared blocks"),
        ),
        carries=(
            "model.sharing",
            "model.sharing.repeat",
            "model.sharing.order",
            "model.sharing.reentry",
            "model.layers",
        ),
        predicate=Every(
            parts=(Groks(splits=(OOD,), side="second"), NeverGroks(split=OOD, side="first", budget=1.0)),
        ),
        published=composition(Is(field="training.weight_decay", values=(0.3,)), free=("model.layers", "task.phi")),
        confounds=(
            Confound(
                field="task.phi", by="stratum", why="the ratio of inferred to atomic facts decides how soon ID groks"
            ),
            Confound(
                field="model.layers",
                by="equality",
                why="equal layers give the shared model more passes, half of them give it half the parameters",
            ),
            WEIGHT_DECAY,
            LEARNING_RATE,
            *COMMON,
        ),
        note="Published as a curve of one run; the plain model stays at 0 out of domain up to 2M steps. Here it has to "
        "train at least as long in vain as the slowest shared one takes.",
    ),
    Claim(
        number=25,
        id="grokking-needs-softmax",
        statement="Without softmax attention no model groks comparison out of domain.",
        source=f"{THESIS}, results: GPT-2 and LLaMA grokked, RWKV and Mamba did not; {SUMMARY}: attention",
        about=(COMPARISON, *ADAMW),
        factor=Sides(first=(_SOFTMAX,), second=(_WITHOUT,), names=("softmax attention", "none")),
        carries=(
            *("model.heads", "model.mlp_width", "model.state_size", "model.expand", "model.conv_kernel"),
            *("model.gate_rank", "model.mix_rank", "model.decay_rank"),
        ),
        predicate=NeverGroks(split=OOD),
        published=comparison(free=("model.architecture",), budget=137.0),
        confounds=confounds("published initial weights are partly transformers' own, and not those of the papers"),
        note="A conjecture from four architectures with one run each; a single run without a softmax that groks "
        "refutes it.",
    ),
)
