"""The image of the TrainingRuntime, which is that of the components."""

from __future__ import annotations

import re
from pathlib import Path

from components.images import TRAINER

RUNTIME = Path(__file__).parents[2] / "manifests" / "components" / "trainjob" / "trainingruntime.yaml"
_IMAGE = re.compile(r"^( +image: ).*$", re.MULTILINE)


def training_runtime() -> dict[Path, str]:
    """The manifest with its image named as components/images.py does; everything else is written by hand.

    Raises:
        LookupError: it names no image, or several.
    """
    text, count = _IMAGE.subn(rf"\g<1>{TRAINER}", RUNTIME.read_text("utf-8"))
    if count != 1:
        raise LookupError(f"{RUNTIME} names {count} images instead of one")
    return {RUNTIME: text}
