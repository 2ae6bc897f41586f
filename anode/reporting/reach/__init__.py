"""Reports of the discovery reach and coverage of searches."""
