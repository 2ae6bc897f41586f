"""Tests of windows, and of all windows together."""
