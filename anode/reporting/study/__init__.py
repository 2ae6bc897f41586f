"""Tables and figures of several runs side by side."""
