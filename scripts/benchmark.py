"""How fast are we, side by side with others? A table, JSON and a figure.

The same as ``anode benchmark``; ``anode benchmark --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", *sys.argv[1:]]))
