"""What the thesis and its field say of size and optimisation."""

from __future__ import annotations

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import Above, Condition, Is
from grokcore.claims.factors import Dose, Sides
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
    THESIS,
    WEIGHT_DECAY,
)
from grokcore.claims.predicates import ChangesTime, NeverGroks

_ABOUT: tuple[Condition, ...] = (COMPARISON, *ADAMW)
_CONFOUNDS = (ARCHITECTURE, *COMMON)
_ADAPTED = Confound(
    field="training.learning_rate",
    by="equality",
    why="one learning rate for all sizes favours the size that it was chosen for",
)

CLAIMS = (
    Claim(
        number=12,
        id="deeper-sooner",
        statement="Deeper models grok comparison sooner.",
        source=f"{THESIS}, 2 to 8 layers: OOD .95 at about 210k steps with 8, 250k with 6, 380k with 4, not with 2",
        about=_ABOUT,
        factor=Dose(field="model.layers", name="layers"),
        predicate=ChangesTime(direction="sooner", split=OOD),
        confounds=(_ADAPTED, *_CONFOUNDS),
    ),
    Claim(
        number=13,
        id="width-does-not-help",
        statement="Width alone, and so having more parameters, does not make a model grok sooner.",
        source=f"{THESIS}, key findings on over-parameterisation",
        about=_ABOUT,
        factor=Dose(field="model.width", name="width"),
        carries=("model.heads",),
        predicate=ChangesTime(direction="no_sooner", split=OOD),
        confounds=(_ADAPTED, *_CONFOUNDS),
    ),
    Claim(
        number=14,
        id="decay-speeds",
        statement="Weight decay is needed for grokking, or makes it come sooner.",
        source=f"{THESIS}, key findings on regularisation",
        about=(COMPARISON, Is(field="training.optimizer", values=("adamw",))),
        factor=Sides(
            first=(Is(field="training.weight_decay", values=(0.0,)),),
            second=(Above(field="training.weight_decay", value=0),),
            names=("no weight decay", "weight decay"),
        ),
        predicate=ChangesTime(direction="sooner", split=OOD),
        confounds=(
            Confound(
                field="training.weight_decay", by="second", why="too much decay keeps a model from learning at all"
            ),
            *_CONFOUNDS,
        ),
    ),
    Claim(
        number=15,
        id="dropout-delays",
        statement="Dropout delays grokking.",
        source=f"{THESIS}, key findings on regularisation",
        about=(*_ABOUT, Is(field="model.architecture", values=("gpt2", "llama"))),
        factor=Sides(
            first=(Is(field="model.dropout", values=(0.0,)),),
            second=(Above(field="model.dropout", value=0),),
            names=("no dropout", "dropout"),
        ),
        predicate=ChangesTime(direction="later", split=OOD),
        confounds=(
            Confound(field="model.dropout", by="second", why="the published command uses .1 where its text says none"),
            *_CONFOUNDS,
        ),
    ),
    Claim(
        number=16,
        id="time-does-not-suffice",
        statement="Training time alone, by plain SGD without weight decay, does not suffice for grokking.",
        source=f"{THESIS}, key findings on optimisation",
        about=(COMPARISON,),
        factor=Sides(
            first=ADAMW,
            second=(
                Is(field="training.optimizer", values=("sgd",)),
                Is(field="training.weight_decay", values=(0.0,)),
            ),
            names=("AdamW with weight decay", "SGD without"),
        ),
        carries=("training.betas", "training.epsilon"),
        predicate=NeverGroks(split=OOD, budget=10.0),
        confounds=(LEARNING_RATE, *_CONFOUNDS),
        note="SGD needs a learning rate of its own: at AdamW's it may not even memorise.",
    ),
    Claim(
        number=17,
        id="rate-drop-helps",
        statement="Lowering the learning rate once accuracy has come to a plateau makes grokking come sooner.",
        source=f"{THESIS}, key findings on schedules",
        about=_ABOUT,
        factor=Sides(
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
        confounds=(
            Confound(
                field="training.schedule", by="second", why="a drop at chosen steps need not be one at the plateau"
            ),
            Confound(field="training.drop_on", by="second", why="what counts as the plateau: memorisation, or onset"),
            ARCHITECTURE,
            LOSS_ON,
            PRECISION,
        ),
    ),
    Claim(
        number=18,
        id="smaller-batches-help",
        statement="Smaller batches make grokking come after fewer examples.",
        source=f"{THESIS}, key findings on batch size",
        about=_ABOUT,
        factor=Dose(field="training.batch_size", name="batch size"),
        predicate=ChangesTime(direction="later", split=OOD, unit="examples"),
        confounds=(LEARNING_RATE, *_CONFOUNDS),
        note="Counted in examples: in steps a smaller batch is handicapped by what it is.",
    ),
    Claim(
        number=19,
        id="adamw-sooner",
        statement="AdamW groks sooner than other optimisers.",
        source=f"{THESIS}, key findings on optimisation",
        about=(COMPARISON,),
        factor=Sides(
            first=ADAMW,
            second=(Is(field="training.optimizer", values=("adam", "sgd")),),
            names=("AdamW", "another optimiser"),
        ),
        carries=("training.betas", "training.epsilon"),
        predicate=ChangesTime(direction="later", split=OOD),
        confounds=(
            Confound(field="training.optimizer", by="second", why="others are many; each stands for itself alone"),
            LEARNING_RATE,
            WEIGHT_DECAY,
            ARCHITECTURE,
            LOSS_ON,
            PRECISION,
            SCHEDULE,
        ),
    ),
)
