"""WHAT PEOPLE SEE: figures and tables."""
