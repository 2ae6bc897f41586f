"""The whole analysis by tools: for people, scripts and language models.

The same as ``anode assistant``; ``anode assistant --help`` lists its commands.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["assistant", *sys.argv[1:]]))
