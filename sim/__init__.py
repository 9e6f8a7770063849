"""A world with targets, a vehicle and instruments that speak bytes, and the oracle that knows the truth."""
