"""Do the statistics of a search hold? A table of demands, a row made by one command.

The same as ``anode acceptance``; ``anode acceptance --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["acceptance", *sys.argv[1:]]))
