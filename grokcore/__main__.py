"""`python -m grokcore`, and the program `grokcore`."""

import os
import sys


def main() -> int:
    """Run one command; a process that trains in a group ends without the interpreter's teardown."""
    try:
        from grokcore.cli import main as run
    except KeyboardInterrupt:  # while Python loads the command line
        return 143
    if os.environ.get("WORLD_SIZE", "") in ("", "1"):
        return run()
    from grokcore.training.signals import leave_group, stop_on_signal

    with stop_on_signal():  # from the first line to the last: a launcher signals those that end after another
        return leave_group(run())


if __name__ == "__main__":
    sys.exit(main())
