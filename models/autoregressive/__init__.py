"""The chain rule of probability: each pixel is predicted from those before it."""
