"""HOW FAST: the same work by several libraries, side by side."""
