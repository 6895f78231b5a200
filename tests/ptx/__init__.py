"""What the compilers make of the CUDA kernels, on a machine that need not have a GPU.

NVRTC, NVVM and ptxas come from the `nvidia-*` packages of the extra `ptx`.
"""
