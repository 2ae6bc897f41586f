"""Substructure of jets: subjettiness, energy flow polynomials, shapes."""
