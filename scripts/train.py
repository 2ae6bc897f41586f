"""Fit the densities of a run, or finish an interrupted fit.

The same as ``anode train``; ``anode train --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
