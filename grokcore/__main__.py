"""`python -m grokcore`."""

import sys

if __name__ == "__main__":
    try:
        from grokcore.cli import main

        code = main()
    except KeyboardInterrupt:  # while Python loads the command line
        code = 143
    sys.exit(code)
