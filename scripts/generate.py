"""Generate dijet events: Pythia, detector, jets. Interrupted, the same command goes on.

The same as ``anode generate``; ``anode generate --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
