"""Noise and its undoing: an image is destroyed in small steps, and a network learns to undo one."""
