"""What several benchmarks have in common: folders, answers of the cross-validation, folds, sounds, other programs."""
