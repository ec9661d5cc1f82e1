"""The tab Curves."""
