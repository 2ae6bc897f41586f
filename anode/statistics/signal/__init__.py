"""Signal upon background in a whole mass spectrum: shapes, strengths, limits, their tests."""
