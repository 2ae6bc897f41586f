"""Calibration: what many searches on samples of known truth say of its numbers."""
