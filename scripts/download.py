"""Fetch a public data set, whole and checked; interrupted, the same command goes on.

The same as ``anode download``; ``anode download --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["download", *sys.argv[1:]]))
