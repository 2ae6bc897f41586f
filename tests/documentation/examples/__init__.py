"""New parts, as the documentation shows them."""
