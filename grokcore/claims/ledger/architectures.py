"""Claims on architectures: the four of the thesis, shared blocks, and models without softmax attention."""

from __future__ import annotations

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import Condition, Is, TwoLevelFactor
from grokcore.claims.ledger.common import (
    ADAMW,
    COMMON,
    COMPARISON,
    DECAY_GROUPS,
    IID,
    LEARNING_RATE,
    OOD,
    SUMMARY,
    THESIS,
    WANG,
    WEIGHT_DECAY,
    comparison,
    composition,
)
from grokcore.claims.predicates import ChangesTime, Every, Groks, IsUnstable, NeverGroks, PeaksEarly

_NAMES = {"gpt2": "GPT-2", "llama": "LLaMA", "rwkv": "RWKV", "mamba": "Mamba"}
_OWN = ("model.heads", "model.mlp_width", "model.state_size", "model.expand", "model.conv_kernel")
"""Fields that one architecture has and another has not."""

_ABOUT: tuple[Condition, ...] = (COMPARISON, *ADAMW)


def _architecture(name: str) -> Is:
    return Is(field="model.architecture", values=(name,))


def _either(name: str) -> Is:
    return Is(field="model.architecture", values=("gpt2", name))


def _against_gpt2(name: str) -> TwoLevelFactor:
    return TwoLevelFactor(
        first=(_architecture("gpt2"),), second=(_architecture(name),), names=(_NAMES["gpt2"], _NAMES[name])
    )


def confounds(init: str) -> tuple[Confound, ...]:
    """Confounds of a comparison of architectures; `init` is the evidence on their initial weights."""
    return (
        Confound(field="model.init", by="second", why=init),
        Confound(
            field="model.match",
            by="second",
            why="with equal layers a Mamba has about half the parameters of a GPT-2, and an RWKV a tenth more",
        ),
        Confound(
            field="model.tie_embeddings",
            by="equality",
            why="GPT-2 and Mamba tie embedding and head by default, LLaMA and RWKV do not",
        ),
        LEARNING_RATE,
        WEIGHT_DECAY,
        DECAY_GROUPS,
        *COMMON,
    )


CLAIMS = (
    Claim(
        number=1,
        id="gpt2-groks",
        statement="GPT-2 groks comparison: on ID and OOD test pairs, long after it has memorized the training set.",
        source=f"{THESIS}, results for GPT-2 (8 layers, phi 12.6)",
        about=(*_ABOUT, _architecture("gpt2")),
        predicate=Groks(splits=(IID, OOD)),
        published=comparison(),
        confounds=COMMON,
        note="Published from one run: ID 1.0 at about 200k steps, OOD .99 at 1M.",
    ),
    Claim(
        number=2,
        id="llama-groks-later",
        statement="LLaMA groks comparison out of domain, later than GPT-2.",
        source=f"{THESIS}, results for LLaMA",
        about=_ABOUT,
        factor=_against_gpt2("llama"),
        carries=_OWN,
        predicate=ChangesTime(direction="later", split=OOD),
        published=comparison(_either("llama"), budget=300.0),
        confounds=confounds("published initial weights are transformers' own, not LLaMA's"),
        note="Published from one run each: OOD .975 at 3M steps against 300k. The thesis calls LLaMA post-norm; it is "
        "pre-RMSNorm.",
    ),
    Claim(
        number=3,
        id="rwkv-does-not-grok",
        statement="RWKV does not grok comparison out of domain under the conditions in which GPT-2 does.",
        source=f"{THESIS}, results for RWKV",
        about=_ABOUT,
        factor=_against_gpt2("rwkv"),
        carries=_OWN,
        predicate=NeverGroks(split=OOD),
        published=comparison(_either("rwkv"), budget=137.0),
        confounds=confounds(
            "transformers starts RWKV-4's time_first at one for all channels and leaves out the original's zero weights"
        ),
        note="Published from one run of 820k steps: fewer than GPT-2's own 1M.",
    ),
    Claim(
        number=4,
        id="mamba-does-not-grok",
        statement="Mamba does not grok comparison out of domain under the conditions in which GPT-2 does.",
        source=f"{THESIS}, results for Mamba",
        about=_ABOUT,
        factor=_against_gpt2("mamba"),
        carries=_OWN,
        predicate=NeverGroks(split=OOD),
        published=comparison(_either("mamba"), budget=500.0),
        confounds=confounds("published initial weights are transformers' own"),
        note="Published from one run of 1.5M steps, at GPT-2's learning rate.",
    ),
    Claim(
        number=5,
        id="mamba-atomic-unstable",
        statement="Mamba's accuracy on atomic facts is unstable, though it is trained on them.",
        source=f"{THESIS}, results for Mamba: unstable to 120k steps",
        about=_ABOUT,
        factor=_against_gpt2("mamba"),
        carries=_OWN,
        predicate=IsUnstable(split="id_atomic"),
        published=comparison(_either("mamba"), budget=None),
        confounds=confounds("published initial weights are transformers' own"),
    ),
    Claim(
        number=6,
        id="gpt2-early-peak",
        statement="GPT-2's OOD accuracy peaks early, dips, and groks much later.",
        source=f"{THESIS}, OOD curve of GPT-2: .88 at 13k steps, .80 to .82 at 85k to 100k, .99 at 1M",
        about=(*_ABOUT, _architecture("gpt2")),
        predicate=PeaksEarly(split=OOD),
        published=comparison(),
        confounds=COMMON,
    ),
)

COMPOSITION = (
    Claim(
        number=20,
        id="composition-groks-id-only",
        statement="On two-hop composition transformers grok in domain, and never out of domain.",
        source=f"{WANG}, section 3: ID near perfect after 50 times the steps to memorize, OOD 0 up to 2M steps",
        about=(
            Is(field="task.kind", values=("composition",)),
            *ADAMW,
            Is(field="model.architecture", values=("gpt2",)),
        ),
        predicate=Every(
            parts=(
                Groks(splits=(IID,)),
                NeverGroks(split=OOD, reference=IID, budget=2.0),
            )
        ),
        published=composition(Is(field="task.phi", values=(3.6, 7.2, 12.6, 18.0))),
        confounds=(
            Confound(
                field="task.phi", by="stratum", why="the ratio of inferred to atomic facts decides how soon ID groks"
            ),
            Confound(field="model.layers", by="stratum", why="too few layers cannot hold two hops in domain either"),
            *COMMON,
        ),
    ),
)


_SHARING = "model.sharing.kind"
_SOFTMAX = Is(field="model.architecture", values=("gpt2", "llama"))
_WITHOUT = Is(
    field="model.architecture",
    values=("rwkv", "mamba", "linear_attention", "retnet", "gla", "deltanet", "mamba2", "rwkv6"),
)

VARIANTS = (
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
        factor=TwoLevelFactor(
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
        factor=TwoLevelFactor(first=(_SOFTMAX,), second=(_WITHOUT,), names=("softmax attention", "none")),
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
