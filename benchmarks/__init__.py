"""Every figure of the documentation comes out of one of these: ``python -m benchmarks NAME``."""
