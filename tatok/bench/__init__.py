"""What things cost: the generator by the length of its sequence, and each stage of the system."""
