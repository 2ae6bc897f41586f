"""METHODS ABOUT METHODS: what is done to events before any of them sees these."""
