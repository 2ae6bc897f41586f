"""Parts of the bundled events as files of their own."""

from pathlib import Path

from anode import io
from anode.events.readers.lhco_features import BUNDLED_PATH


def bundled_part(path: Path, rows: slice, **changes: object) -> Path:
    """Some of the bundled events as a file; ``changes`` edit or, if None, drop columns."""
    with io.open_hdf5(BUNDLED_PATH) as file:
        columns = {name: file[name][rows] for name in file}
    for name, change in changes.items():
        if change is None:
            del columns[name]
        else:
            change(columns[name])  # type: ignore[operator]
    io.write_hdf5(path, columns)
    return path
