"""Runs the jobs on this machine.

An emulator inside this process, and the logs of its attempts. No task outlives the chain that started it, even after
SIGKILL. The only folder of the chain that may import `jobs_emulator`.
"""
