"""Claims on depth (the thesis), and on size, regularization and optimization (the summary)."""

from __future__ import annotations

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import Above, AtLeast, Condition, Is, NumericFactor, TwoLevelFactor
from grokcore.claims.ledger.common import (
    ADAMW,
    ARCHITECTURE,
    COMMON,
    COMPARISON,
    LEARNING_RATE,
    LOSS_ON,
    OOD,
    PRECISION,
    SCHEDULE,
    SUMMARY,
    THESIS,
    WEIGHT_DECAY,
    comparison,
)
from grokcore.claims.predicates import ChangesTime, GeneralizesMore, NeverGroks

_ABOUT: tuple[Condition, ...] = (COMPARISON, *ADAMW)
_CONFOUNDS = (ARCHITECTURE, *COMMON)
_ADAPTED = Confound(
    field="training.learning_rate",
    by="equality",
    why="one learning rate for all sizes favours the size that it was chosen for",
)

_DECAY_ABOUT: tuple[Condition, ...] = (COMPARISON, Is(field="training.optimizer", values=("adamw",)))
_DECAY = TwoLevelFactor(
    first=(Is(field="training.weight_decay", values=(0.0,)),),
    second=(Above(field="training.weight_decay", value=0),),
    names=("no weight decay", "weight decay"),
)
_DECAY_CONFOUNDS = (
    Confound(field="training.weight_decay", by="second", why="too much decay keeps a model from learning at all"),
    *_CONFOUNDS,
)
_DROPOUT_ABOUT: tuple[Condition, ...] = (*_ABOUT, Is(field="model.architecture", values=("gpt2",)))
_DROPOUT = TwoLevelFactor(
    first=(Is(field="model.dropout", values=(0.0,)),),
    second=(Above(field="model.dropout", value=0),),
    names=("no dropout", "dropout"),
)
_DROPOUT_CONFOUNDS = (
    Confound(field="model.dropout", by="second", why="the published command uses .1 where its text says none"),
    *COMMON,
)
_DROPOUT_NOTE = (
    "Of GPT-2 alone: model.dropout acts at three places there, and at one, the attention weights, in LLaMA, which is "
    "another treatment."
)
_REGULARIZATION = (
    f"{SUMMARY}: regularization such as weight decay and dropout aids generalization, but may delay grokking"
)
_NO_FIGURES = "The summary gives no figures and no conditions of its own; those of the study that it sums up are taken."

CLAIMS = (
    Claim(
        number=12,
        id="deeper-sooner",
        statement="Deeper models grok comparison sooner.",
        source=f"{THESIS}, 2 to 8 layers: OOD .95 at about 210k steps with 8, 250k with 6, 380k with 4, not with 2; "
        f"{SUMMARY}: architectures with more layers and attention",
        about=_ABOUT,
        factor=NumericFactor(field="model.layers", name="layers"),
        predicate=ChangesTime(direction="sooner", split=OOD),
        published=comparison(Is(field="model.layers", values=(2, 4, 6, 8)), threshold=0.95),
        confounds=(_ADAPTED, *_CONFOUNDS),
    ),
    Claim(
        number=13,
        id="width-does-not-help",
        statement="Width alone, and so having more parameters, does not make a model grok sooner.",
        source=f"{SUMMARY}: factors that do not matter, over-parameterization",
        about=_ABOUT,
        factor=NumericFactor(field="model.width", name="width"),
        carries=("model.heads",),
        predicate=ChangesTime(direction="no_sooner", split=OOD),
        published=comparison(free=("model.width",)),
        confounds=(_ADAPTED, *_CONFOUNDS),
        note=_NO_FIGURES,
    ),
    Claim(
        number=14,
        id="decay-speeds",
        statement="Weight decay aids generalization: at some value, a model ends with more held-out accuracy than "
        "without.",
        source=_REGULARIZATION,
        about=_DECAY_ABOUT,
        factor=_DECAY,
        predicate=GeneralizesMore(split=OOD),
        over="some",
        published=comparison(free=("training.weight_decay",)),
        confounds=_DECAY_CONFOUNDS,
        note=f"The id is older than the wording; that decay may delay grokking is claim 26. {_NO_FIGURES}",
    ),
    Claim(
        number=26,
        id="decay-may-delay",
        statement="Weight decay may delay grokking: at some value, it comes later than without.",
        source=_REGULARIZATION,
        about=_DECAY_ABOUT,
        factor=_DECAY,
        predicate=ChangesTime(direction="later", split=OOD),
        over="some",
        published=comparison(free=("training.weight_decay",)),
        confounds=_DECAY_CONFOUNDS,
        note=_NO_FIGURES,
    ),
    Claim(
        number=15,
        id="dropout-delays",
        statement="Dropout of embeddings, attention and residual branches may delay grokking of GPT-2: at some rate, "
        "it comes later than without.",
        source=_REGULARIZATION,
        about=_DROPOUT_ABOUT,
        factor=_DROPOUT,
        carries=("model.dropout of",),
        predicate=ChangesTime(direction="later", split=OOD),
        over="some",
        published=comparison(free=("model.dropout",)),
        confounds=_DROPOUT_CONFOUNDS,
        note=f"{_DROPOUT_NOTE} {_NO_FIGURES}",
    ),
    Claim(
        number=27,
        id="dropout-aids",
        statement="Dropout of embeddings, attention and residual branches aids generalization of GPT-2: at some rate, "
        "it ends with more held-out accuracy than without.",
        source=_REGULARIZATION,
        about=_DROPOUT_ABOUT,
        factor=_DROPOUT,
        carries=("model.dropout of",),
        predicate=GeneralizesMore(split=OOD),
        over="some",
        published=comparison(free=("model.dropout",)),
        confounds=_DROPOUT_CONFOUNDS,
        note=f"{_DROPOUT_NOTE} {_NO_FIGURES}",
    ),
    Claim(
        number=16,
        id="time-does-not-suffice",
        statement="Training time alone, by plain SGD without weight decay and dropout, does not suffice for grokking.",
        source=f"{SUMMARY}: factors that do not matter, training time without regularization and optimizer",
        about=(COMPARISON, Is(field="model.dropout", values=(0.0,))),
        factor=TwoLevelFactor(
            first=ADAMW,
            second=(
                Is(field="training.optimizer", values=("sgd",)),
                Is(field="training.weight_decay", values=(0.0,)),
            ),
            names=("AdamW with weight decay", "SGD without"),
        ),
        carries=("training.betas", "training.epsilon"),
        predicate=NeverGroks(split=OOD, budget=10.0),
        published=comparison(free=("training.optimizer", "training.weight_decay", "training.learning_rate")),
        confounds=(LEARNING_RATE, *_CONFOUNDS),
        note=f"SGD needs a learning rate of its own: at AdamW's it may not even memorize. {_NO_FIGURES}",
    ),
    Claim(
        number=17,
        id="rate-drop-helps",
        statement="Lowering the learning rate at a critical stage (once the training set is memorized, or "
        "generalization has set in) makes grokking come sooner.",
        source=f"{SUMMARY}: lowering the learning rate at critical stages",
        about=_ABOUT,
        factor=TwoLevelFactor(
            first=(Is(field="training.schedule", values=("constant",)),),
            second=(Is(field="training.schedule", values=("phase", "step")),),
            names=("a constant rate", "a rate that drops"),
        ),
        carries=(
            "training.schedule_steps",
            "training.schedule_floor",
            "training.drop_steps",
            "training.drop_factor",
            "training.drop_on",
        ),
        predicate=ChangesTime(direction="sooner", split=OOD),
        over="some",
        published=comparison(free=("training.schedule",)),
        confounds=(
            Confound(
                field="training.schedule", by="second", why="a drop at chosen steps need not be one at a critical stage"
            ),
            Confound(
                field="training.drop_on", by="second", why="what counts as the critical stage: memorization, or onset"
            ),
            ARCHITECTURE,
            LOSS_ON,
            PRECISION,
        ),
        note=_NO_FIGURES,
    ),
    Claim(
        number=18,
        id="smaller-batches-help",
        statement="Smaller batches make grokking come after fewer examples.",
        source=f"{SUMMARY}: smaller batches",
        about=_ABOUT,
        factor=NumericFactor(field="training.batch_size", name="batch size"),
        predicate=ChangesTime(direction="later", split=OOD, unit="examples"),
        published=comparison(free=("training.batch_size",)),
        confounds=(LEARNING_RATE, *_CONFOUNDS),
        note=f"Counted in examples: in steps a smaller batch is handicapped by what it is. {_NO_FIGURES}",
    ),
    Claim(
        number=30,
        id="accumulation-alike",
        statement="Gradient accumulation alone changes nothing: a batch in several parts groks when the whole does.",
        source=f"{SUMMARY}: gradient accumulation, beside batch size",
        about=_ABOUT,
        factor=TwoLevelFactor(
            first=(Is(field="training.gradient_accumulation", values=(1,)),),
            second=(AtLeast(field="training.gradient_accumulation", value=2),),
            names=("whole batches", "batches in parts"),
        ),
        predicate=ChangesTime(direction="alike", split=OOD),
        published=comparison(free=("training.gradient_accumulation",)),
        confounds=_CONFOUNDS,
        note="The summary names accumulation beside small batches, without figures. At an equal batch the gradient is "
        "the same sum; so what accumulation is said to do is what the batch size does (claim 18), or this is refuted.",
    ),
    Claim(
        number=19,
        id="adamw-sooner",
        statement="AdamW groks sooner than other optimizers.",
        source=f"{SUMMARY}: AdamW",
        about=(COMPARISON,),
        factor=TwoLevelFactor(
            first=ADAMW,
            second=(Is(field="training.optimizer", values=("adam", "sgd")),),
            names=("AdamW", "another optimizer"),
        ),
        carries=("training.betas", "training.epsilon"),
        predicate=ChangesTime(direction="later", split=OOD),
        published=comparison(free=("training.optimizer", "training.weight_decay", "training.learning_rate")),
        confounds=(
            Confound(field="training.optimizer", by="second", why="others are many; each stands for itself alone"),
            LEARNING_RATE,
            WEIGHT_DECAY,
            ARCHITECTURE,
            LOSS_ON,
            PRECISION,
            SCHEDULE,
        ),
        note=_NO_FIGURES,
    ),
    Claim(
        number=31,
        id="more-heads-sooner",
        statement="More attention helps: at equal width, models of more heads grok comparison sooner.",
        source=f"{SUMMARY}: architectures with more layers and attention",
        about=(*_ABOUT, Is(field="model.architecture", values=("gpt2", "llama"))),
        factor=NumericFactor(field="model.heads", name="heads"),
        predicate=ChangesTime(direction="sooner", split=OOD),
        published=comparison(),
        confounds=_CONFOUNDS,
        note=f"That models without softmax attention do not grok is claim 25. {_NO_FIGURES}",
    ),
)
