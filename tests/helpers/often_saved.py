"""The command ``anode`` with the state of fits written often, so that little work holds many.

Processes that it starts run this file, too, and do the same.
"""

import sys

from anode.commands.main import main
from anode.training import state

state.SAVE_EVERY = 0.1

if __name__ == "__main__":
    sys.exit(main())
