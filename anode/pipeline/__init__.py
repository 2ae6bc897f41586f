"""THE CHAIN: configuration, run directory, stages."""
