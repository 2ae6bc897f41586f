"""WHERE EVENTS COME FROM: readers and generators, each returning an EventTable."""
