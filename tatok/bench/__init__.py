"""What things cost: each stage, how it grows, and the generator by its sequence's length."""
