"""Find dark-sector jets with scores that know the Standard Model alone, or little more.

The same as ``anode dark_anomalies``; ``anode dark_anomalies --help`` explains it.
"""

import sys

from anode.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["dark_anomalies", *sys.argv[1:]]))
