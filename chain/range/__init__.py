"""Runs many days, each for itself.

Which they are, the outcome of each, and what they share. A failure of one day is no reason for another one to stop. May
import `chain.day` and the jobs' port.
"""
