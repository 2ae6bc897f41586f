"""Scores of events that are unlike the others, wherever their mass: baselines."""
