"""Search unlabelled events for a resonance at any mass: where, how significant, how trustworthy.

The same as ``anode search``; ``anode search --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["search", *sys.argv[1:]]))
