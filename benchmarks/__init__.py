"""How fast, beside PyTorch in the same run: `python -m benchmarks NAME`."""
