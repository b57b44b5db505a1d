"""How the metrics of each analysis are drawn: as maps over sites, and as curves over steps."""

from __future__ import annotations

from grokcore.reporting.interpret.metrics import Beside, Family, MapSpec, SeriesSpec

_SAME_VALUE = Beside("kept where the value stays the same", "specificity", "same value {case}")

FAMILIES: dict[str, Family] = {
    "lens": Family(
        "What can be read: logit lens",
        "How well the model's own head reads a token from the residual stream, less how well it reads another row's.",
        (
            MapSpec(
                "lens",
                "lens_gain",
                "lens_gain",
                beside=(Beside("mrr", "mrr"), Beside("shuffled", "mrr_shuffled")),
            ),
        ),
    ),
    "tracing": Family(
        "What the answer rests on: causal tracing",
        "While the model reads a question, its stream at one layer and position is replaced by that of a question that "
        "differs in what stands above the map. A site that turns the answer carries what differs.",
        (
            MapSpec(
                "tracing",
                "flip",
                "flip",
                "Share of rows whose answer becomes that of the other question.",
                per=("case",),
                beside=(Beside("broken", "broken"), _SAME_VALUE),
            ),
            MapSpec(
                "tracing",
                "recovered",
                "recovered",
                "Share of the difference of the two answers' logits that the replaced stream brings along.",
                per=("case",),
                beside=(_SAME_VALUE,),
                curves=False,
            ),
            MapSpec(
                "tracing",
                "specificity",
                "specificity",
                "Control: the other question has the same answer. Share of rows that keep theirs; a site below 1 "
                "carries more than the answer.",
                per=("case",),
                neutral=1.0,
                curves=False,
            ),
        ),
    ),
    "ablation": Family(
        "What is needed: ablation of heads and mixers",
        "What the answers lose when a part's output is replaced by its mean over questions; the control changes it as "
        "much in a random direction.",
        (
            MapSpec(
                "ablation",
                "accuracy_drop",
                "accuracy_drop",
                per=(),
                columns="case",
                beside=(Beside("random", "accuracy_drop_random"), Beside("resampled", "accuracy_drop_resampled")),
            ),
            MapSpec(
                "ablation",
                "logit_difference_drop",
                "logit_difference_drop",
                per=(),
                columns="case",
                is_share=False,
                beside=(
                    Beside("random", "logit_difference_drop_random"),
                    Beside("resampled", "logit_difference_drop_resampled"),
                ),
                curves=False,
            ),
        ),
    ),
    "activations": Family(
        "What the streams hold: activations",
        "Read from a target's own position on.",
        (
            MapSpec(
                "activations",
                "probe",
                "probe",
                "Accuracy of a linear probe on entities that it was not fitted on.",
                beside=(Beside("shuffled", "probe_shuffled"), Beside("gain", "probe_gain")),
            ),
            MapSpec(
                "activations",
                "cohesion",
                "cohesion",
                "Mean cosine to the centroid of training questions with the same target.",
                beside=(Beside("of another", "cohesion_other"), Beside("gain", "cohesion_gain")),
                curves=False,
            ),
            MapSpec(
                "activations",
                "alignment",
                "alignment",
                "The same of other splits, to the same centroids.",
                beside=(Beside("of another", "alignment_other"), Beside("gain", "alignment_gain")),
                curves=False,
            ),
            MapSpec(
                "activations",
                "effective_rank",
                "effective_rank",
                "How many directions the streams of all examples take.",
                per=(),
                is_share=False,
                beside=(Beside("random", "effective_rank_random"),),
                curves=False,
            ),
        ),
    ),
    "mixing": Family(
        "Which positions are read: mixing maps",
        "How much of what a position reads (rows) comes from another (columns): the change where the mixer's input "
        "there is replaced by its mean, as a share of all.",
        (MapSpec("mixing", "value_zeroing", "value_zeroing", per=("layer",), rows="position", columns="target"),),
    ),
    "attention": Family(
        "Attention weights",
        "Mean weight that a position (rows) gives to another (columns), head by head.",
        (MapSpec("attention", "attention", "attention", per=("layer", "case"), rows="position", columns="target"),),
    ),
    "shots": Family(
        "Learning from the prompt: few-shot curve",
        "Share of rows whose answer is right, by the place of the answer: y1 follows no example, y2 one.",
        (
            MapSpec(
                "shots",
                "accuracy",
                "accuracy",
                per=(),
                rows="",
                beside=(
                    Beside("determined by the examples", "determined"),
                    Beside("results shuffled among them", "accuracy_shuffled"),
                    Beside("results of another function", "accuracy_other_function"),
                ),
                bars=True,
            ),
        ),
    ),
    "fourier": Family(
        "Frequencies",
        "Share of the power over a + b, or a - b, that each frequency carries: in the logits of all pairs, and in the "
        "embeddings.",
        (
            MapSpec(
                "fourier", "logit_power", "logit_power", per=(), rows="", columns="target", is_share=False, bars=True
            ),
            MapSpec(
                "fourier",
                "embedding_power",
                "embedding_power",
                per=(),
                rows="",
                columns="target",
                is_share=False,
                bars=True,
            ),
        ),
    ),
}
"""By analysis; those that are not named are drawn by `family_of`."""


SERIES: dict[str, tuple[SeriesSpec, ...]] = {
    "lens": (
        SeriesSpec(
            "Can be read (lens_gain at the token's own position)",
            ("lens_gain",),
            (Beside("mrr", "mrr"), Beside("shuffled", "mrr_shuffled")),
            is_share=True,
        ),
    ),
    "tracing": (
        SeriesSpec("Turns the answer (flip at the best inner site)", ("flip",), is_share=True, names_site=True),
        SeriesSpec(
            "Control: keeps the answer where it must (specificity at the worst inner site)",
            ("specificity",),
            is_share=True,
            names_site=True,
        ),
    ),
    "activations": (
        SeriesSpec("A probe reads (accuracy at the target's position)", ("probe",), is_share=True),
        SeriesSpec("Closer to the own centroid than to another", ("cohesion_gain", "alignment_gain"), is_share=True),
        SeriesSpec("Effective rank of the answer's stream", ("effective_rank",)),
    ),
    "circuit": (
        SeriesSpec("First layer that tells as much as any", ("resolve_layer",)),
        SeriesSpec(
            "Accuracy without a circuit, and a circuit without accuracy (1: for three steps in a row)",
            ("fake_grok", "circuit_without_accuracy"),
            is_share=True,
        ),
        SeriesSpec(
            "Accuracy whose operands pass no single site (1: for three steps in a row)", ("distributed",), is_share=True
        ),
    ),
    "attention": (SeriesSpec("Attention on relevant positions", ("mass_on_relevant",), is_share=True),),
    "shots": (SeriesSpec("Gains by its examples (shots_gain at the last answer)", ("shots_gain",), is_share=True),),
    "norms": (
        SeriesSpec("Weight norm", ("weight_norm",)),
        SeriesSpec("Effective rank", ("effective_rank",)),
        SeriesSpec("Spectral norm", ("spectral_norm",)),
    ),
    "saturation": (
        SeriesSpec("Loss of training rows in nats", ("loss",), is_log=True),
        SeriesSpec("Softmax collapse", ("zero_loss", "collapsed"), is_share=True),
        SeriesSpec("Scale of logits and margin", ("logit_std", "margin")),
    ),
    "fourier": (
        SeriesSpec(
            "Loss of held-out pairs, and of the key frequencies alone",
            ("loss", "restricted_loss"),
            is_log=True,
            splits=("test",),
        ),
        SeriesSpec(
            "Loss of training pairs, and without the key frequencies",
            ("loss", "excluded_loss"),
            is_log=True,
            splits=("train",),
        ),
        SeriesSpec("Share of the key frequencies", ("key_power", "key_variance"), is_share=True),
        SeriesSpec("Gini of the embedding's power", ("embedding_gini",), is_share=True),
    ),
    "llc": (SeriesSpec("Local learning coefficient", ("llc",), is_log=True),),
}
"""By analysis; metrics of others have a chart each."""
