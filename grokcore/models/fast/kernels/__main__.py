"""Compile the kernels ahead, for machines without a compiler: `python -m grokcore.models.fast.kernels FOLDER`.

A process finds them there by GROKCORE_KERNELS=FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grokcore.models.fast.kernels.library import compile_ahead

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m grokcore.models.fast.kernels FOLDER")
    print(compile_ahead(Path(sys.argv[1])))
