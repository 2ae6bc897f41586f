"""Public files, fetched and checked."""
