"""The tab Bias."""
