"""Make the studies of results/reference again, over several seeds; finished runs are kept.

The same as ``anode reproduce``; ``anode reproduce --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", *sys.argv[1:]]))
