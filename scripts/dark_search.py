"""Search for a Z' to dark quarks over QCD di-jets.

The same as ``anode dark_search``; ``anode dark_search --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["dark_search", *sys.argv[1:]]))
