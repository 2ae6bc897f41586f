"""Settings chosen by objectives that never read a label."""
