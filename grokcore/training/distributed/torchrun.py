"""Run torchrun, and end with the exit codes of what it runs: `python -m grokcore.training.distributed.torchrun`.

Whatever its processes end with, torchrun itself ends with 1, so that whoever started it cannot tell wrong input, which
stays wrong, from what is worth another attempt. Takes torchrun's options and variables (PET_*), and is what the pods of
a TrainJob run.
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
        0; what the processes of this node ended with, the code that says best what to do next; 143 after a signal to
        torchrun itself, which it has handed on; 75 where the nodes did not find each other.
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
        _say("; ".join(f"process {rank} ended with {_meaning(code)}" for rank, code in codes.items()))
        return worst(codes.values())
    except SignalException as error:
        _say(f"stopped by {signal.Signals(error.sigval).name}")
        return EXIT_STOPPED
    except (
        RendezvousError,
        DistError,
        ConnectionError,
        TimeoutError,
    ) as error:  # a node that is not there yet, or not any more
        _say(f"the nodes of this training did not find each other: {str(error).partition(chr(10))[0]}")
        return EXIT_TRANSIENT
    return 0


def _meaning(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _say(line: str) -> None:
    print(f"torchrun: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
