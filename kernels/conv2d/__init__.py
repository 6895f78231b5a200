"""Two-dimensional convolution (cross-correlation, as every framework has it)."""
