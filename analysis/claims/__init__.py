"""The paper's claims, each with the rule that judges it."""
