"""Search: windows, result, report."""
