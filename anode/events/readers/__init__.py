"""Files of events, read: a module a format."""
