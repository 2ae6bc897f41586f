"""Numbers of a search: counts, fits of spectra, and scans of windows. No words, no files."""
