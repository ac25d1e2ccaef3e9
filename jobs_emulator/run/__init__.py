"""Runs executions as processes.

Slots, attempts, time and memory limits, and what a task is given. A task's processes end with it, also those that left
its group. May import records, names and errors; no transport.
"""
