"""TaTok beside its peers, trained from scratch by the same code for equal time."""
