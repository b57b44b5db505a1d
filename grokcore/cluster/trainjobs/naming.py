"""The name of a run's TrainJob: always the same, so that whoever comes again finds it."""

from __future__ import annotations

import hashlib

LONGEST = 46
"""What leaves room for `-node-0-999-xxxxx`, the rest of a pod's name, within the 63 characters of a DNS label."""


def job_name(run_id: str, run_uri: str) -> str:
    """`grokcore-{run_id}-{digest of where the run lies}`: a DNS label that begins with a letter.

    The place holds the run's key, and tells apart stores that namespaces share.
    """
    return f"grokcore-{run_id[:16]}-{hashlib.sha256(run_uri.encode()).hexdigest()[:12]}"
