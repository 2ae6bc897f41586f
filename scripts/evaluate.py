"""Judge a scored run again: metrics, curves and figures.

The same as ``anode evaluate``; ``anode evaluate --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
