"""Networks of the representations: each maps the input of an event to a latent vector."""
