"""The track classifier: what it learns from, its cross-validation, and its bounds of certainty."""
