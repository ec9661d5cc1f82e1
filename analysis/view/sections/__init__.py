"""What lies below the patch view of the tab Tokenize."""
