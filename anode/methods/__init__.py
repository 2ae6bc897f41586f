"""SCORES: methods that give every event an anomaly score."""
