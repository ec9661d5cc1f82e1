"""The tab Tokenize."""
