"""Runs the jobs by Google's own client.

The same code against Cloud Run and an emulator. Definitions are pure; a start looks for the execution that an earlier
try began. The only folder of the chain that may import Google's clients.
"""
