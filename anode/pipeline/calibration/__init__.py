"""Calibration: searches of pseudo-experiments of known truth, and what they say."""
