"""Report and figures of a search."""
