"""What a pod of a TrainJob runs: torchrun, with exit codes that mean something.

    python -m grokcore.cluster.trainjobs.node train SPEC --data URI --out URI

runs `torchrun --module grokcore train ...`, for which Trainer leaves nodes, processes and the meeting place in PET_*
variables. torchrun itself ends with 1 however its processes end, so that wrong input would be tried again. This one
ends as they do: 0 done; 2 bad input; 75 try again; 143 stopped by a signal after saving.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from grokcore.errors import EXIT_OK, EXIT_STOPPED


def main(arguments: Sequence[str] | None = None) -> int:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    from grokcore.training.processes.launch import worst

    words = sys.argv[1:] if arguments is None else arguments
    try:
        torchrun(["--module", "grokcore", *words])
    except ChildFailedError as error:
        return worst(failure.exitcode for failure in error.failures.values())
    except SignalException:  # passed on to the processes, which have saved
        return EXIT_STOPPED
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
