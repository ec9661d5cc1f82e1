"""Training: the loop, its two tasks, their losses and data."""
