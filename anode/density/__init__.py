"""p(x|m): conditional densities."""
