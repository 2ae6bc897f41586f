"""Jets of dark sectors: made, and described."""
