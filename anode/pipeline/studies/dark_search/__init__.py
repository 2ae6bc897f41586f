"""Search for a Z' to dark quarks over QCD di-jets."""
