"""Public classes and functions: arrays in, arrays out, on top of what the commands use."""
