"""`python -m grokcore`."""

import sys

from grokcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
