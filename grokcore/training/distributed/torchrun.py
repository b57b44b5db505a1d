"""Run torchrun, and end with the exit codes of its processes: `python -m grokcore.training.distributed.torchrun`.

torchrun itself ends with 1 whatever its processes end with, so that a launcher cannot tell wrong input from a failure
worth a retry. This wrapper takes torchrun's options and variables (PET_*); the pods of a TrainJob run it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from grokcore.errors import EXIT_STOPPED, EXIT_TRANSIENT
from grokcore.training.distributed.launch import worst


def main(arguments: Sequence[str]) -> int:
    """Run torchrun.

    Returns:
        0; the exit code of this node's processes that takes precedence; 143 after a signal to torchrun itself, which
        passes it on; 75 if the nodes did not find each other.
    """
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.run import parse_args, run

    try:
        run(parse_args(list(arguments)))
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in sorted(error.failures.items())}
        _log("; ".join(f"process {rank} ended with {_describe(code)}" for rank, code in codes.items()))
        return worst(codes.values())
    except SignalException as error:
        _log(f"stopped by {signal.Signals(error.sigval).name}")
        return EXIT_STOPPED
    except (
        RendezvousError,
        DistError,
        ConnectionError,
        TimeoutError,
    ) as error:  # a node that is not there yet, or not any more
        _log(f"the nodes of this training did not find each other: {str(error).partition(chr(10))[0]}")
        return EXIT_TRANSIENT
    return 0


def _describe(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _log(line: str) -> None:
    print(f"torchrun: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
