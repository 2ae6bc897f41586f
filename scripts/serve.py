"""Serve the scores of a finished run or scan over HTTP.

The same as ``anode serve``; ``anode serve --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
