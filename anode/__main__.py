"""The command ``anode``, and ``python -m anode``."""

import sys

from anode.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
