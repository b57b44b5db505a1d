"""The images that manifests name, which are those of the components."""

from __future__ import annotations

import re
from pathlib import Path

from components.images import RUNTIME, TRAINER

MANIFESTS = Path(__file__).parents[2] / "manifests"
USERS = {
    MANIFESTS / "components" / "trainjob" / "trainingruntime.yaml": TRAINER,
    MANIFESTS / "doctor" / "job.yaml": RUNTIME,
    MANIFESTS / "sweep" / "job.yaml": TRAINER,
}
"""Manifests with an image, each of them one."""

_IMAGE = re.compile(r"^( +image: ).*$", re.MULTILINE)


def image_files() -> dict[Path, str]:
    """Manifests with their image named as components/images.py does; everything else in them is written by hand.

    Raises:
        LookupError: one of them names no image, or several.
    """
    return {path: _with_image(path, image) for path, image in USERS.items()}


def _with_image(path: Path, image: str) -> str:
    text, count = _IMAGE.subn(rf"\g<1>{image}", path.read_text("utf-8"))
    if count != 1:
        raise LookupError(f"{path} names {count} images instead of one")
    return text
