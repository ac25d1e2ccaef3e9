"""Runs a command in the chain's deployed job.

There private addresses are reached; its output is shown here.
"""
