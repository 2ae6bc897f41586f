"""The data card of a zoo of signals: page and figures."""
