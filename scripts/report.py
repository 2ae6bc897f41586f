"""Make the report of a finished search: a page that stands alone, Markdown, figures.

The same as ``anode report``; ``anode report --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
