"""A zoo of signals: one file each, and a data card of all."""
