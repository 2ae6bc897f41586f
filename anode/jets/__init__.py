"""PARTICLES -> FEATURES: clustering and substructure of jets."""
