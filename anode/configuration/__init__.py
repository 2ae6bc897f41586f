"""Configuration: checked dataclasses, and how a command runs."""
