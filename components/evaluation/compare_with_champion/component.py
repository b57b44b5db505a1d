from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def compare_with_champion(
    evaluations: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
    champion: str = "default",
    gate: str = "",
    store: str = "",
    run_key: str = "",
) -> str:
    """Compare the seeds of a candidate with the champion: promote, keep or inconclusive.

    The gate tests the confidence intervals of the time to grok, with censored runs counting as longer than they ran,
    and of the final accuracy. A candidate with non-finite or incomparable results is never promoted.

    Args:
        evaluations: The artifact `evaluations` of evaluate_runs.
        decision: Record of the decision, for promote_champion. A copy is kept in the store at
            {store}/retrainings/{champion}/{run_key}.json. Its metadata carry verdict and uri (of the copy).
        report: The decision as Markdown, shown in the Kubeflow UI.
        metrics: Gains of the candidate in time and accuracy, and the number of its seeds that grokked.
        champion: Name of the champion.
        gate: Rules of the gate, from resolve_retraining, or as in "confidence=0.99 minimum_seeds=8".
        store: URI of the champion's store. Empty takes GROKCORE_STORE.
        run_key: Key that identifies this retraining. Empty takes GROKCORE_RUN_KEY, else the
            pipeline run's id.

    Returns:
        The verdict: promote, keep or inconclusive.
    """
    from pathlib import Path

    from grokcore import champions
    from grokcore.champions.markdown import decision_markdown
    from grokcore.stage import stage
    from grokcore.storage.layout import default_key, retraining_uri
    from grokcore.telemetry.pushgateway import push_success

    with stage("compare", Path(decision.path).parent):
        rules = champions.parse_rules(gate)
        key = default_key(run_key, decision.uri)
        retraining_uri(store, champion, key)  # before the evaluations are read: names and store may be wrong
        uris = evaluations.metadata.get("run_uris", {})
        made = champions.compare_with_champion(evaluations.path, uris, champion, rules, store, key)
        Path(decision.path).write_text(made.model_dump_json(indent=2))
        Path(report.path).write_text(decision_markdown(made))
        metrics.log_metric("seeds_grokked", made.candidate_summary.reached)
        for name, gain in (("time_gain", made.time), ("accuracy_gain", made.accuracy)):
            if gain is not None:
                metrics.log_metric(name, gain.gain)
        decision.metadata.update(verdict=made.verdict, uri=made.uri)
        print(made.sentence)
    if made.verdict != "promote":  # otherwise the promotion is the pipeline's last task
        push_success(print, schedule=champion)
    return made.verdict
