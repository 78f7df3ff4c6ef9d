"""Floors, peers and the project, measured side by side in one run: `python -m benchmarks --help`."""
