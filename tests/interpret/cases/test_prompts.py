"""Questions behind prompts are analyzed without these: as the same questions of the task without prompts."""

from __future__ import annotations

import grokcore
from grokcore.data import open_dataset
from grokcore.interpret.cases import CASES
from grokcore.spec import Prompts
from tests.tasks.small_tasks import SMALL


def test_the_cases_are_those_of_the_task_without_prompts(tmp_path):
    plain = SMALL["comparison"]
    found = {}
    for name, task in {
        "plain": plain,
        "prompted": plain.model_copy(update={"prompts": Prompts(new_entities=5, rows=20)}),
    }.items():
        grokcore.generate_dataset(task, tmp_path / name)
        cases = CASES["comparison"](task, open_dataset(tmp_path / name), 30, 0)
        found[name] = {case.split: case for case in cases}
    assert [*found["prompted"]] == [*found["plain"], "iid_prompted"]
    for split, case in found["plain"].items():
        other = found["prompted"][split]
        assert case.roles == other.roles
        assert (case.tokens == other.tokens).all()
        assert (case.answers == other.answers).all()
        assert case.counterfactuals.keys() == other.counterfactuals.keys()
        for kind, one in case.counterfactuals.items():
            assert (one.tokens == other.counterfactuals[kind].tokens).all()
