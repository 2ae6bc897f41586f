"""EVENTS, IMAGES, CONSTITUENTS -> COLUMNS: representations that are learned without labels."""
