"""Classifiers: boosted trees, networks and isolation forests, fitted and evaluated."""
