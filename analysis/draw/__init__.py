"""Figures and their tables, from results."""
