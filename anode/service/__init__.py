"""Scores over HTTP: ``anode serve``."""
