"""The whole analysis by tools: for people, scripts and language models; ``anode assistant``."""
