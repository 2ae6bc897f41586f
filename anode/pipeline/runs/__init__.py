"""Runs: prepare, train, score, evaluate."""
