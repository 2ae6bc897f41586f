"""Counts: pass rates, significances, limits."""
