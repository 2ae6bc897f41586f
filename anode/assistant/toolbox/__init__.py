"""Tools: commands with checked arguments, as jobs, and the facts of what they leave."""
