"""The track classifier: detectors that never heard what they judge, long tracks composed of short, bounds of certainty."""
