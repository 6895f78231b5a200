"""What the CPU kernels share: compiling, cores, the register tile, vector mathematics."""
