"""A store with thousands of runs, made from one: equal curves, other seeds, and so other ids."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from grokcore.runs import JOURNAL, MANIFEST, Manifest, read_manifest
from grokcore.runs.evaluation import EVALUATION
from grokcore.runs.seal import SPEC, digest_of, with_checksum
from grokcore.runs.summary import write_summary
from grokcore.spec import read_spec
from grokcore.storage import CONCURRENT_READS, FileStore, Store
from grokcore.storage.layout import run_uri

BESIDE = (
    "checkpoints/latest",
    "checkpoints/step-00000060/manifest.json",
    "checkpoints/step-00000060/a1/state.safetensors",
    "model/config.json",
    "model/model.safetensors",
)
"""Files of a run that no list and no comparison reads."""


def make_runs(root: Store, count: int, original: Path, *, summaries: bool = True, beside: bool = True) -> None:
    """Write `count` runs to `root`/runs.

    Args:
        original: the directory of an evaluated run.
        summaries: whether they have a summary.json, which versions up to 0.1 did not write.
        beside: whether to write files that are only listed, too.
    """
    template = _Template(original)
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        for _ in pool.map(lambda seed: template.write(root, seed, summaries=summaries, beside=beside), range(count)):
            pass


class _Template:
    def __init__(self, original: Path) -> None:
        run = FileStore(original)
        self._spec, self._manifest = read_spec(original / SPEC), read_manifest(run)
        self._journal, self._evaluation = run.read(JOURNAL), run.read_json(EVALUATION)

    def write(self, root: Store, seed: int, *, summaries: bool, beside: bool) -> None:
        spec = self._spec.model_copy(update={"seed": seed})
        run = root.child(run_uri("store", spec.run_id, "local").removeprefix("store/"))
        choices = {**self._manifest.choices, "seed": seed}
        manifest: Manifest = self._manifest.model_copy(update={"run_id": spec.run_id, "choices": choices})
        text = spec.model_dump_json().encode()  # JSON is YAML, and quickly written
        run.write(SPEC, text)
        run.write(JOURNAL, self._journal)
        for name in BESIDE if beside else ():
            run.write(name, b"")
        size = manifest.write(run, seal={SPEC: digest_of(text), JOURNAL: digest_of(self._journal)})
        run.write_json(EVALUATION, with_checksum({**self._evaluation, "run_id": spec.run_id}))
        if summaries:
            write_summary(run, manifest, self._evaluation["step"], {MANIFEST: size, JOURNAL: len(self._journal)})


@dataclass
class Requests:
    """Requests to object storage, by method and what they ask for."""

    urls: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.urls)


@contextmanager
def counted_requests() -> Iterator[Requests]:
    """Count the requests of this process while the block lasts, repeated ones too."""
    from botocore.httpsession import URLLib3Session

    counted, send = Requests(), URLLib3Session.send

    def count(session: URLLib3Session, request: object) -> object:
        counted.urls.append(f"{request.method} {request.url}")  # type: ignore[attr-defined]
        return send(session, request)

    with patch.object(URLLib3Session, "send", count):
        yield counted
