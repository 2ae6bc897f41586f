"""Train classifiers on each dark sector, and test each on all of them.

The same as ``anode classify``; ``anode classify --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["classify", *sys.argv[1:]]))
