"""What the CUDA kernels share: operations of the hardware, launching, the simulator."""
