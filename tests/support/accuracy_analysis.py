"""The smallest analysis: the accuracy of every split, and the mean norm of the stream at every layer and position."""

from __future__ import annotations

from collections.abc import Iterator

from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject


def measure(subject: Subject) -> Iterator[Number]:
    for case in subject.cases:
        tokens = subject.tokens(case)
        right = (subject.logits(tokens).argmax(-1).cpu().numpy() == case.answers).mean()
        yield Number("accuracy", float(right), len(case), split=case.split, lower=0.0, upper=1.0)
        for layer, stream in enumerate(subject.streams(tokens)):
            for place, role in enumerate(case.roles):
                norm = float(stream[:, place].norm(dim=-1).mean())
                yield Number("norm", norm, len(case), split=case.split, layer=layer, position=role)
