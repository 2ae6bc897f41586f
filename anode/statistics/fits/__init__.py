"""Fits of mass spectra: di-jet functions, resonances, ranges."""
