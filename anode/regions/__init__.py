"""WHAT IS COMPARED: signal region and sidebands, injection, splits, preprocessing."""
