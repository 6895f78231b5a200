"""Generative models written by hand on `autograd`, one file per family."""
