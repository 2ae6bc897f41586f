"""Style, tables, axes and number formats of all figures and texts."""
