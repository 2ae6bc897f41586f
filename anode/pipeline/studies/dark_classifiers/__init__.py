"""Classifiers of dark-sector jets, trained on each signal and tested on all."""
