"""Score a trained run's events; or, with data=..., any file; or with another epoch ensemble.

The same as ``anode score``; ``anode score --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["score", *sys.argv[1:]]))
