"""Samples to named track features: spectrum, kinds of sound, segments, track vector."""
