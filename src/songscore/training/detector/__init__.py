"""The voice detector: its network, the batches it sees, and its training."""
