"""Jets of dark sectors: names of the files, their layout, and the features of a jet."""
