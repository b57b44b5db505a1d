"""The methods that make grokking come sooner, as a catalog: how to switch each on, what it is, and what is known of it.

`grokcore accelerators` prints it and docs/acceleration.md shows it. Published figures are quoted with the baseline they
were measured against, since few of these was a tuned AdamW.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

PLAIN = frozenset({"adamw", "adam", "sgd", "cross_entropy", "none"})
"""Names of optimizers, filters, losses and projections that are no accelerators."""

BUFFERS_OF_ADAMW = (2, 2)


@dataclass(frozen=True)
class Method:
    """One accelerator."""

    name: str
    """As in a spec, where it has a name there."""
    title: str
    fields: tuple[str, ...]
    """Overrides that switch it on."""
    formula: str
    """In one line. w: a weight; g: its clipped gradient; x: logits; T, a, c and the like: its own fields."""
    source: str
    """The paper, as `arXiv ID, SECTION`, or where else it was published."""
    headline: str
    """The published gain and what it was measured against; empty where none is published."""
    cost: str
    """Beyond a step of AdamW."""
    controls: tuple[str, ...]
    """Fields to set or to tune without the method, to tell whether its gain is its own."""
    trouble: str
    """Known failures and pitfalls."""
    buffers: tuple[int, int] = BUFFERS_OF_ADAMW
    """Numbers that optimizer and filter keep for each weight of a matrix, and for each other weight."""
    needs_whole_weights: bool = False
    """Whether it is refused with `training.zero_stage` above 0."""

    @property
    def state(self) -> str:
        """The numbers kept for each weight, for people."""
        matrix, other = self.buffers
        return f"{matrix}" if matrix == other else f"{matrix} of matrices, {other} of others"

    @property
    def refused_with(self) -> str:
        return "training.zero_stage > 0" if self.needs_whole_weights else ""

    def facts(self) -> list[tuple[str, str]]:
        """Return all that is known about it, as (label, text); labels without a text are left out."""
        found = {
            "formula": self.formula,
            "published": self.headline,
            "cost": self.cost,
            "controls": "; ".join(self.controls),
            "trouble": self.trouble,
        }
        return [(label, text) for label, text in found.items() if text]

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "refused_with": self.refused_with or None}


METHODS: tuple[Method, ...] = (
    Method(
        name="muon",
        title="Muon",
        fields=("training.optimizer=muon",),
        formula="M <- .95 M + .05 g; w <- (1 - lr decay) w - lr .2 sqrt(max(m, n)) O(.95 M + .05 g), where O sets the "
        "singular values of an m x n matrix near 1 (5 Newton-Schulz iterations); AdamW for all but matrices",
        source="arXiv 2502.16982, equation 4",
        headline="1.49 times fewer epochs, mean of 7 tasks, against AdamW (arXiv 2504.16041)",
        cost="for every matrix of m <= n: 5 (4 m^2 n + 2 m^3) FLOPs, or from n = 2 m on 4 m^2 n + 34 m^3",
        controls=("training.optimizer=muon training.muon_iterations=0", "training.gradient_filter=normalize"),
        trouble="Others report that its gain goes away at larger widths and batches, and that models collapse after "
        "they have grokked unless embeddings and head are frozen.",
        buffers=(1, 2),
        needs_whole_weights=True,
    ),
    Method(
        name="lion",
        title="Lion",
        fields=("training.optimizer=lion", "training.betas=[0.9, 0.97]"),
        formula="u = sign(b1 m + (1 - b1) g); m <- b2 m + (1 - b2) g; w <- (1 - lr decay) w - lr u",
        source="arXiv 2302.06675, algorithm 2",
        headline="",
        cost="less than AdamW: one buffer, no root",
        controls=("training.betas=[0.9, 0.97]", "training.gradient_filter=normalize"),
        trouble="Its learning rate is a third to a tenth of AdamW's and its decay as much larger: at AdamW's it is "
        "another method.",
        buffers=(1, 1),
    ),
    Method(
        name="grokfast",
        title="Grokfast-EMA",
        fields=("training.gradient_filter=grokfast", "training.filter_decay=0.98", "training.filter_gain=2"),
        formula="mu <- a mu + (1 - a) g; g <- g + l mu",
        source="arXiv 2405.20233, algorithm 1",
        headline="43.8 times fewer steps on multiplication modulo 97 (39,890 to 910), against Adam without weight "
        "decay, one seed",
        cost="two more passes over the gradients",
        controls=(
            "training.learning_rate, (1 + l) times as high",
            "training.betas, [0.98, b2]",
            "training.weight_decay, .005 as in the published arm",
        ),
        trouble="Under Adam a gain of 2 acts like a larger step along slow directions. The published arm has weight "
        "decay, its baseline none, and both start from embeddings of standard deviation 1 (model.init=pytorch). Users "
        "of the published code report that AdamW alone is faster. It sees the clipped gradient: the published form "
        "needs gradient_clip=null.",
        buffers=(3, 3),
    ),
    Method(
        name="orthograd",
        title="OrthoGrad",
        fields=("training.gradient_filter=orthograd",),
        formula="g' = g - (w.g) / (w.w) w; g <- g' norm(g) / norm(g'), for every matrix and vector",
        source="arXiv 2501.04697, section 5",
        headline="an MLP groks modulo 113 within 300 epochs, against a baseline that was not tuned",
        cost="four more passes over weights and gradients",
        controls=("training.weight_decay", "training.gradient_filter=normalize"),
        trouble="Users of the published code report that AdamW with a decay of 8 groks the same task in fewer than 200 "
        "epochs. With decay the norm still shrinks: its idea needs weight_decay=0.",
        needs_whole_weights=True,
    ),
    Method(
        name="normalize",
        title="normalized gradient",
        fields=("training.gradient_filter=normalize",),
        formula="g <- g / (norm(g) + 1e-8), all weights together",
        source="arXiv 2504.17243",
        headline="explains most of the gain of a learned transformation of gradients, in that paper's ablation",
        cost="two more passes over the gradients",
        controls=("training.gradient_clip=null",),
        trouble="Adam divides by the size of gradients anyway: it is itself a control of other methods.",
        needs_whole_weights=True,
    ),
    Method(
        name="stablemax",
        title="StableMax",
        fields=("training.loss=stablemax",),
        formula="p_j = s(x_j) / sum_k s(x_k), s(x) = x + 1 for x >= 0, else 1 / (1 - x); loss = -log p_y",
        source="arXiv 2501.04697, section 4.1",
        headline="an MLP groks modulo 113 without weight decay in some 80,000 epochs, where softmax does not",
        cost="one pass over the logits",
        controls=("training.loss=cross_entropy_fp64", "training.loss_temperature"),
        trouble="It depends on a constant added to all logits. The published form has a NaN gradient at a logit of "
        "exactly 1 in fp32 and is therefore run in fp64; the one here has not.",
    ),
    Method(
        name="cross_entropy_fp64",
        title="cross-entropy in fp64",
        fields=("training.loss=cross_entropy_fp64",),
        formula="loss = -log softmax(x)_y, in fp64",
        source="arXiv 2501.04697, section 3",
        headline="",
        cost="fp64 arithmetic on the logits alone",
        controls=("training.loss=cross_entropy",),
        trouble="GPUs compute fp64 slowly. It is the control of StableMax: precision without another shape.",
    ),
    Method(
        name="loss_temperature",
        title="loss temperature",
        fields=("training.loss_temperature=0.5",),
        formula="loss of x / T",
        source="arXiv 2606.18465",
        headline="the scale of the logits alone explains the delay with an R^2 of .97, against runs of clamped norm",
        cost="none",
        controls=("training.learning_rate", "model.init_scale"),
        trouble="A model can undo it by larger weights: decay and temperature act together.",
    ),
    Method(
        name="norm_ball",
        title="norm ball",
        fields=("training.projection=norm_ball", "training.projection_bound=10"),
        formula="w <- w min(1, c / norm(w)), all weights together, after the step",
        source="arXiv 2210.01117, section 2",
        headline="no delay at a small enough norm, against training without a bound",
        cost="one more pass over the weights",
        controls=("training.weight_decay", "training.loss_temperature"),
        trouble="Too small a bound keeps the model from fitting its training set.",
        needs_whole_weights=True,
    ),
    Method(
        name="row_norm",
        title="row norm clip",
        fields=("training.projection=row_norm", "training.projection_bound=2"),
        formula="w_row <- w_row min(1, c / norm(w_row)) for every row of a matrix, after the step",
        source="the repository cliptogrok",
        headline="66 times fewer steps on multiplication modulo 97 (35,040 to 550, with Lion), against AdamW of weight "
        "decay .01",
        cost="two more passes over the matrices",
        controls=("training.loss_temperature", "training.weight_decay"),
        trouble="The published form clips the gains of norms too, each as one row (projection_on=matrices_and_norms), "
        "which is a hidden temperature of the logits, and needs model.init_row_norm=c.",
        needs_whole_weights=True,
    ),
    Method(
        name="init_row_norm",
        title="initial row norm",
        fields=("model.init_row_norm=2",),
        formula="w_row <- c w_row / norm(w_row) for every row of a matrix, before the first step",
        source="the repository cliptogrok",
        headline="",
        cost="none",
        controls=("model.init_scale",),
        trouble="Published only together with the row norm clip.",
    ),
    Method(
        name="init_scale",
        title="initialization scale",
        fields=("model.init_scale=0.5",),
        formula="w <- alpha w for every matrix, before the first step",
        source="arXiv 2210.01117",
        headline="moves the delay 19-fold, against the same model at another scale",
        cost="none",
        controls=("training.loss_temperature", "training.weight_decay"),
        trouble="Much of its effect is that of the scale of the logits.",
    ),
    Method(
        name="start_from",
        title="embedding transfer",
        fields=("model.start_from.model=RUN",),
        formula="E = A B with A (vocabulary, width of RUN) the embedding of RUN, a weaker model, and B drawn from "
        "N(0, 1 / width of RUN), both trained",
        source="arXiv 2504.13292",
        headline="no delay on modular addition, multiplication and parity, against the same model from drawn weights; "
        "the weaker model's training is not counted",
        cost="the whole training of RUN, which is added to every time to grok; 6 V r d FLOPs for E",
        controls=("model.start_from, from a source of one step", "training.learning_rate_of", "training.max_steps"),
        trouble="The weaker model is stopped where its test accuracy is good enough, which decides on held-out data. "
        "The rank of the embedding stays that of the source.",
    ),
    Method(
        name="learning_rate_of",
        title="learning rates by role",
        fields=("training.learning_rate_of={embedding: 0.3}",),
        formula="lr of a weight = lr factor(role)",
        source="arXiv 2203.03466",
        headline="",
        cost="none",
        controls=("training.learning_rate",),
        trouble="Decay follows the rate. Every factor is one more field to tune: give AdamW as many trials.",
    ),
    Method(
        name="freeze_on",
        title="freezing",
        fields=("training.freeze_on=[{roles: [embedding, head], phase: memorized}]",),
        formula="lr = 0 for some roles once a phase has begun",
        source="the repository muon-grokking",
        headline="",
        cost="none",
        controls=("training.learning_rate_of",),
        trouble="It is there against collapses after the grok. Waiting for a phase of a held-out split decides on "
        "held-out data.",
    ),
    Method(
        name="identity",
        title="identity rows",
        fields=("task.identity=true",),
        formula="training has a row <e> -> <e> for every entity that can be a bridge of a composition",
        source="arXiv 2509.24653",
        headline="a plain transformer composes two hops out of domain, where it otherwise fails completely",
        cost="none: as many examples a step",
        controls=("model.sharing", "task.phi"),
        trouble="It changes the data, so that its runs are ranked apart. The paper's rows are not known in detail: "
        "here is one reading.",
    ),
)
