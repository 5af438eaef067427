"""How a network is trained: a fit, its epochs, what it records, many at once."""
