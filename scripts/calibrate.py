"""Are the numbers of a search right? Many searches on samples of known truth, judged together.

The same as ``anode calibrate``; ``anode calibrate --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["calibrate", *sys.argv[1:]]))
