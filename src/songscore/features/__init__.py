"""Samples to named track features: spectrum, spectral and vocal features, summary."""
