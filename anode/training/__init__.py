"""FITTING: one loop, its checkpoints and its trackers."""
