"""A run: what it was asked for (`config`), the loop (`run`), its metrics and its lock."""
