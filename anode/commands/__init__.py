"""Commands: their table, their help, and how one runs."""
