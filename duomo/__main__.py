"""`python -m duomo VERB …`: the command line where no script is installed."""

import sys

from duomo.cli import main

if __name__ == "__main__":
    sys.exit(main())
