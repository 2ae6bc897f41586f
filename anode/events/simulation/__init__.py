"""Events made here: Pythia with a detector, and the toy."""
