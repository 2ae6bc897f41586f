"""Raw particles to jets, substructure and m_jj. Interrupted, the same command goes on.

The same as ``anode features``; ``anode features --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["features", *sys.argv[1:]]))
