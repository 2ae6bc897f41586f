"""HOW GOOD: curves, their errors, and closure of the background density."""
