"""Scoring of other events by a finished run or scan."""
