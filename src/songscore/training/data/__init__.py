"""Training data: the manifest, the spectra of its files, and a teacher's answers to them."""
