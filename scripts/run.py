"""Prepare, train, score and evaluate in one go; resumable.

The same as ``anode run``; ``anode run --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
