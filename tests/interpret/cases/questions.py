"""Answer the questions of every kind of task from their text, independently of the cases."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from grokcore.data import Dataset
from grokcore.tasks.attribute_facts import draw_facts


class Answers:
    """The right answer to any question of a dataset, or None where there is none; all as text."""

    def __init__(self, task: Any, data: Dataset) -> None:
        self.task = task
        self.values = {name: number for number, name in enumerate(data.vocabulary)}  # values ascend with their tokens
        self.facts: dict[tuple[str, str], str] = {}
        for rows in data.train_splits().values():
            for tokens, length, answer in zip(rows.tokens, rows.lengths, rows.answers, strict=True):
                if length == 2:
                    subject, relation = (data.vocabulary[token] for token in tokens[:2])
                    self.facts[subject, relation] = data.vocabulary[answer]
        if task.kind == "complex_reasoning":
            sizes = {"entities": task.entities, "attributes": task.attributes, "values": task.values}
            drawn = draw_facts(task.seed, task.kind, in_domain=task.in_domain_entities, **sizes)
            for attribute, row in enumerate(drawn.values):
                for entity, value in enumerate(row):
                    self.facts[f"<e_{entity}>", f"<attr_{attribute}>"] = f"<{value}>"

    def __call__(self, *question: str) -> str | None:
        return getattr(self, f"_{self.task.kind}")([token for token in question if token not in ("</q>", "<a>")])

    def _comparison(self, question: list[str]) -> str | None:
        if len(question) == 2:
            return self.facts.get((question[0], question[1]))
        attribute, _, first, _, second = question
        values = [self.facts.get((entity, attribute)) for entity in (first, second)]
        if None in values or first == second:
            return None
        one, other = (self.values[value] for value in values)
        return f"{attribute[:-1]}_{(one > other) - (one < other) + 1}>"

    def _complex_reasoning(self, question: list[str]) -> str | None:
        return self._comparison(question[1:3] if len(question) == 4 else question)

    def _composition(self, question: list[str]) -> str | None:
        entity: str | None = question[0]
        for relation in question[1:]:
            entity = self.facts.get((entity, relation))
        return entity

    def _modular(self, question: list[str]) -> str:
        a, operation, b, _ = (token[1:-1] for token in question)
        assert operation == "+"
        return f"<{(int(a) + int(b)) % self.task.modulus}>"

    def _permutations(self, question: list[str]) -> str:
        a, _, b, _ = (token[1:-1] for token in question)
        return f"<{''.join(a[int(image) - 1] for image in b)}>"

    def _in_context_modular(self, question: list[str]) -> str | None:
        """Try all functions; None where several fit the examples, or none does."""
        p, numbers = self.task.modulus, [int(token[1:-1]) for token in question]
        inputs, results = [*zip(numbers[0::3], numbers[1::3], strict=True)], numbers[2::3]
        fitting = [
            (a, b)
            for a in range(p)
            for b in range(p)
            if all((a * x + b * y - z) % p == 0 for (x, y), z in zip(inputs, results, strict=False))
        ]
        if len(fitting) != 1 or len({*inputs}) < len(inputs):
            return None
        (a, b), (x, y) = fitting[0], inputs[-1]
        return f"<{(a * x + b * y) % p}>"

    def _in_context(self, question: list[str]) -> str | None:
        place = question.index("<q>")
        stated = dict(pair for number, pair in enumerate(pairwise(question[:place])) if number % 2 == 0)
        values = [self.values[stated[entity]] if entity in stated else None for entity in question[place + 1 :]]
        if None in values or len({*question[place + 1 :]}) < len(values) or len(stated) < place // 2:
            return None
        if len(values) == 1:
            return stated[question[-1]]
        return ("<equal>", "<greater>", "<smaller>")[(values[0] > values[1]) - (values[0] < values[1])]
