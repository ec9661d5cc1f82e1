"""The tab Theory."""
