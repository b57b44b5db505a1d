"""Claims of the thesis on data: entities, values, phi, size."""

from __future__ import annotations

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import AtLeast, Below, Condition, Is, NumericFactor, TwoLevelFactor
from grokcore.claims.ledger.common import (
    ADAMW,
    ARCHITECTURE,
    COMMON,
    COMPARISON,
    OOD,
    SUMMARY,
    THESIS,
    WANG,
    comparison,
)
from grokcore.claims.predicates import ChangesTime, Every, NeverGroks

_ABOUT: tuple[Condition, ...] = (COMPARISON, *ADAMW)
_CONFOUNDS = (ARCHITECTURE, *COMMON)
_VALUES = comparison(Is(field="task.values", values=(10, 20, 40)), threshold=0.95)
_FACTS = comparison(AtLeast(field="task.entities", value=20), free=("task.attributes",)).model_copy(
    update={"product": 20_000.0}
)
"""20 to 1000 entities, of so many attributes that there are 20,000 facts."""

CLAIMS = (
    Claim(
        number=7,
        id="few-entities-never-grok",
        statement="With fewer than 400 entities, at a constant number of facts, comparison is never grokked.",
        source=f"{THESIS}, entities from 20 to 1000 at constant dataset size",
        about=_ABOUT,
        factor=TwoLevelFactor(
            first=(AtLeast(field="task.entities", value=400),),
            second=(Below(field="task.entities", value=400),),
            names=("400 entities or more", "fewer than 400 entities"),
        ),
        carries=("task.attributes",),
        constant=("task.entities", "task.attributes"),
        predicate=NeverGroks(split=OOD),
        published=_FACTS.model_copy(update={"budget": None}),
        confounds=(
            Confound(
                field="task.attributes",
                by="second",
                why="at a constant number of facts fewer entities mean more attributes, each with its own labels",
            ),
            *_CONFOUNDS,
        ),
        note="The published curves stop at 10k steps, before any run groks, with 400 entities or without.",
    ),
    Claim(
        number=8,
        id="fewer-values-sooner",
        statement="The fewer values an attribute can take, the sooner comparison is grokked out of domain.",
        source=f"{THESIS}, values per attribute 10, 20, 40 (GPT-2): OOD .95 at about 55k, 210k, 400k steps",
        about=_ABOUT,
        factor=NumericFactor(field="task.values", name="values"),
        predicate=ChangesTime(direction="later", split=OOD),
        published=_VALUES,
        confounds=_CONFOUNDS,
    ),
    Claim(
        number=9,
        id="more-values-spike-sooner",
        statement="With more values per attribute OOD accuracy spikes sooner, and groks later.",
        source=f"{THESIS}, values per attribute",
        about=_ABOUT,
        factor=NumericFactor(field="task.values", name="values"),
        predicate=Every(
            parts=(
                ChangesTime(direction="sooner", split=OOD, definition="half_way"),
                ChangesTime(direction="later", split=OOD),
            )
        ),
        published=_VALUES,
        confounds=_CONFOUNDS,
    ),
    Claim(
        number=10,
        id="higher-phi-sooner",
        statement="The more inferred facts there are per atomic fact (phi), the sooner comparison is grokked.",
        source=f"{THESIS}, phi 3.6 to 12.6; {WANG}, section 3.2",
        about=_ABOUT,
        factor=NumericFactor(field="task.phi", name="phi"),
        predicate=ChangesTime(direction="sooner", split=OOD),
        published=comparison(AtLeast(field="task.phi", value=3.6)),
        confounds=_CONFOUNDS,
    ),
    Claim(
        number=11,
        id="size-matters-little",
        statement="The absolute size of the dataset changes the time to grok little, if all its ratios stay the same.",
        source=f"{THESIS}, dataset size at constant phi; {WANG}, section 3.2; {SUMMARY}: dataset size alone",
        about=_ABOUT,
        factor=NumericFactor(field="task.attributes", name="attributes"),
        predicate=ChangesTime(direction="alike", split=OOD),
        published=comparison(free=("task.attributes",)),
        confounds=_CONFOUNDS,
        note="More attributes make more facts; entities, values and phi are held.",
    ),
    Claim(
        number=28,
        id="sparse-data-sooner",
        statement="Sparse data help: at a constant number of facts, the smaller the share of all comparisons that the "
        "training set states, the sooner comparison is grokked.",
        source=f"{SUMMARY}: sparse and balanced data",
        about=_ABOUT,
        factor=NumericFactor(field="task.entities", name="entities"),
        carries=("task.attributes",),
        constant=("task.entities", "task.attributes"),
        predicate=ChangesTime(direction="sooner", split=OOD),
        published=_FACTS,
        confounds=_CONFOUNDS,
        note="The summary has no figure, so its measure is chosen here: n entities have n (n - 1) / 2 pairs per "
        "attribute, of which the training set states a share that falls as 1 / n at constant phi and entities x "
        "attributes.",
    ),
    Claim(
        number=29,
        id="balanced-data-sooner",
        statement="Balanced data help: the more evenly entities are divided between in domain and out of domain, the "
        "sooner comparison is grokked.",
        source=f"{SUMMARY}: sparse and balanced data",
        about=(*_ABOUT, AtLeast(field="task.id_ratio", value=0.5)),
        factor=NumericFactor(field="task.id_ratio", name="ID ratio"),
        predicate=ChangesTime(direction="later", split=OOD),
        published=comparison(free=("task.id_ratio",)),
        confounds=_CONFOUNDS,
        note="The summary does not say what is balanced; of the thesis' five controls the ratio of in-domain to "
        "out-of-domain entities is the one that a balance can be read from. phi is held.",
    ),
)
