"""Codes of an image: an autoencoder's is a point, a variational autoencoder's a distribution."""
