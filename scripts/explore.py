"""Print and draw what is in a file, before anything is fitted; a broken file is described too.

The same as ``anode explore``; ``anode explore --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["explore", *sys.argv[1:]]))
