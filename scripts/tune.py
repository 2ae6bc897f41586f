"""Choose settings by objectives that read no label; trials are runs, and resume.

The same as ``anode tune``; ``anode tune --help`` explains it. ``--model vae --data hlf``, as an
earlier code had it, tunes that autoencoder.
"""

import sys

from anode.__main__ import main
from anode.commands.aliases import translate

if __name__ == "__main__":
    sys.exit(main(translate("tune", sys.argv[1:])))
