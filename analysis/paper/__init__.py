"""The figures of the paper, measured again."""
