"""Claims about the inside of models: inference paths, what they are worth for new facts, and what attention turns to.

All but that on new facts are judged by what `grokcore analyze` found, with its default number of questions and seed.
"""

from __future__ import annotations

from grokcore.claims.claim import Claim, Confound, Published
from grokcore.claims.conditions import Condition, Is
from grokcore.claims.ledger.common import COMMON, COMPARISON, IID, OOD, SUMMARY, comparison, composition
from grokcore.claims.predicates import Shows, TransfersLittle

_WORTHWHILE = "arXiv 2601.09049"
_ALIKE = 0.9
"""Pearson's r of two maps of recovered shares from which the paths count as the same."""
_RISE = 0.05
"""Of the share of mixing on the positions that decide, from which attention has turned to them."""

_GAIN = 0.1
"""Of accuracy on chains of new facts, up to which little is transferred."""

_PLAIN_OR_SHARED = Is(field="model.sharing.kind", values=("none", "blocks"))
_ABOUT: tuple[Condition, ...] = (Is(field="task.kind", values=("composition", "comparison")), _PLAIN_OR_SHARED)
_SHARING = Confound(
    field="model.sharing.kind", by="stratum", why="blocks that run twice can use one memory of facts for both hops"
)
_ARCHITECTURE = Confound(
    field="model.architecture", by="stratum", why="published for transformers only; others mix positions differently"
)


def _at_any_time(published: Published) -> Published:
    """Published conditions of a claim that gives no steps."""
    return published.model_copy(update={"budget": None})


CLAIMS = (
    Claim(
        number=22,
        id="same-path-before-and-after",
        statement="In domain, a model that has memorized answers by the same inference path as once it has grokked.",
        source=f"{_WORTHWHILE}: grokked and non-grokked models share the path, by a lens at any position",
        about=_ABOUT,
        predicate=Shows(
            what=f"have the same path when they memorize as at their end (r >= {_ALIKE:g})",
            analysis="circuit",
            metrics=("path_similarity",),
            split=IID,
            of="last",
            at_least=_ALIKE,
        ),
        published=_at_any_time(composition()),
        confounds=(_SHARING, _ARCHITECTURE, *COMMON),
        note="The path is the map of shares that interchange recovers, over layers and positions. A model that "
        "memorizes and generalizes at once has one path by definition: look at its times.",
    ),
    Claim(
        number=23,
        id="accuracy-and-path-part",
        statement="Accuracy on unseen cases and the inference path can come apart.",
        source=f"{_WORTHWHILE}: high accuracy out of domain without the path, and the path without accuracy",
        about=(Is(field="task.kind", values=("composition",)), _PLAIN_OR_SHARED),
        predicate=Shows(
            what="have accuracy without the path, or the path without accuracy, at three checkpoints in a row",
            analysis="circuit",
            metrics=("fake_grok", "circuit_without_accuracy"),
            split=OOD,
            of="any",
            at_least=1,
        ),
        over="some",
        published=_at_any_time(composition()),
        confounds=(_SHARING, _ARCHITECTURE, *COMMON),
        note="Accuracy of .9 and a flip by semantic donors of at most half of it, or the reverse. Where fewer than ten "
        "questions out of domain can be traced, a run tells nothing. In comparison no position need hold a value by "
        "itself, so that a low flip is no evidence there.",
    ),
    Claim(
        number=24,
        id="grown-circuit-transfers-little",
        statement="What a model has grown by grokking helps little with new facts: it does not compose them.",
        source=f"{_WORTHWHILE}: new+new at most .007, old+new 0 though the bridge can be read, new+old 1 by 5.9k steps",
        about=(
            *_ABOUT,
            Is(field="task.new_facts.share_in_inferred", values=(0.0,)),
        ),
        predicate=TransfersLittle(splits=("old_new", "new_new"), at_most=_GAIN),
        published=_at_any_time(composition()),
        confounds=(_SHARING, _ARCHITECTURE, *COMMON),
        note="Gains over step 0, where chains of new facts are answered above chance already. Whether the first "
        "training grokked is for the reader to see.",
    ),
    Claim(
        number=32,
        id="attention-aligns",
        statement="As a model generalizes, it turns its attention to the positions that decide the answer.",
        source=f"{SUMMARY}: attention maps",
        about=(COMPARISON,),
        predicate=Shows(
            what=f"mix at least {_RISE:g} more from deciding positions at their end than when they memorize",
            analysis="mixing",
            metrics=("mass_on_relevant",),
            split=OOD,
            of="rise",
            at_least=_RISE,
        ),
        published=_at_any_time(comparison(free=("model.architecture",))),
        confounds=(_ARCHITECTURE, *COMMON),
        note="Measured by replacing inputs, so that architectures without attention weights compare.",
    ),
)
