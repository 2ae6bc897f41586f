"""Reach and coverage: searches of many samples, signals and strengths."""
