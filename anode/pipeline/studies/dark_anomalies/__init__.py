"""Anomaly scores on dark-sector jets: background-only, weakly supervised, floors and ceiling."""
