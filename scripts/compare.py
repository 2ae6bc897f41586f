"""Several runs in one table and figures, median and 68% over seeds; or a whole study, made first.

The same as ``anode compare``; ``anode compare --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
