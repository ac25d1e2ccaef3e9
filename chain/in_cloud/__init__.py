"""Runs a command in the chain's deployed job.

That job reaches private addresses; its output is shown here.
"""
