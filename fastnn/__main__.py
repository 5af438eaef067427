"""``python -m fastnn``: run the command line and exit with its code."""

import sys

from fastnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
