"""Worked examples of the documentation, and the tests that run them."""
