"""Files of events, written."""
