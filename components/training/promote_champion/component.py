from typing import NamedTuple

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def promote_champion(decision: dsl.Input[dsl.Artifact], report: dsl.Output[dsl.Markdown]) -> NamedTuple(
    "Promotion", [("verdict", str), ("version", int), ("champion_uri", str)]
):
    """Promote a candidate to champion by a conditional write: of concurrent promotions exactly one succeeds.

    If the champion has changed since the decision, the candidate is compared again. Promotion is idempotent.

    Args:
        decision: The artifact `decision` of compare_with_champion. Other verdicts than promote change nothing.
        report: The final decision as Markdown, shown in the Kubeflow UI.

    Returns:
        verdict: promote, or the verdict of a repeated comparison.
        version: Version of the champion that the candidate became, 0 if none.
        champion_uri: URI of the pointer to the champion: {store}/champions/{name}.json.
    """
    from pathlib import Path

    from grokcore import champions
    from grokcore.champions.markdown import decision_markdown
    from grokcore.stage import stage
    from grokcore.telemetry.pushgateway import push_success

    with stage("promote", Path(report.path).parent):
        made = champions.promote(champions.read_decision(decision.path))
        Path(report.path).write_text(decision_markdown(made))
        print(made.sentence)
    push_success(print, schedule=made.champion)
    return (made.verdict, made.promoted or 0, champions.History(made.store, made.champion).pointer_uri)
