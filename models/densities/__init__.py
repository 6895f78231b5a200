"""Densities that can be written down: mixtures and flows."""
