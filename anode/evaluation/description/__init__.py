"""What is in a file of events: columns, spectrum, dependence on the mass."""
