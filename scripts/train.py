"""Fit the densities of a run, or finish an interrupted fit.

The same as ``anode train``; ``anode train --help`` explains it. ``--model vae --data hlf``, as an
earlier code had it, trains and judges an autoencoder.
"""

import sys

from anode.__main__ import main
from anode.commands.aliases import translate

if __name__ == "__main__":
    sys.exit(main(translate("train", sys.argv[1:])))
