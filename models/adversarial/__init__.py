"""Two players: a generator makes samples, a discriminator tells them from the data."""
