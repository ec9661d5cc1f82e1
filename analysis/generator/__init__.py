"""What is measured of the generator."""
