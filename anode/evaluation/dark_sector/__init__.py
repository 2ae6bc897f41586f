"""Jets of dark sectors described: moments, slices of the parameters, and what of them is real."""
