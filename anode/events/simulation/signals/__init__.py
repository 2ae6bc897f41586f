"""Signals with two jets: what decays to what, and at which masses."""
