"""Cards and figures of event files."""
