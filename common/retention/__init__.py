"""How long the rows of each table are kept: a list of rules, and the deletion in steps that nobody has to wait for."""
