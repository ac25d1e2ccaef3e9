"""A command that runs in the chain's deployed job, where private addresses are reached, and is shown here."""
