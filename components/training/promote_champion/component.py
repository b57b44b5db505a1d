from typing import NamedTuple

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def promote_champion(decision: dsl.Input[dsl.Artifact], report: dsl.Output[dsl.Markdown]) -> NamedTuple(
    "Promotion", [("verdict", str), ("version", int), ("champion_uri", str)]
):
    """Make a candidate the champion, by a conditional write: of several at once exactly one becomes the next.

    A candidate whose champion has changed since it was judged is judged anew. Running this twice does as much as once.

    Args:
        decision: The artifact `decision` of compare_with_champion. What is not to be promoted is left as it is.
        report: The decision as it stands now, which Kubeflow's UI shows.

    Returns:
        verdict: promote, or what the candidate came to when it was judged anew.
        version: The version of the champion that the candidate became, 0 if none.
        champion_uri: The pointer to the champion: {store}/champions/{name}.json.
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
    push_success(print)
    return (made.verdict, made.promoted or 0, champions.History(made.store, made.champion).pointer_uri)
