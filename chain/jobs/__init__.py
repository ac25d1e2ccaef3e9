"""The port to what runs the jobs.

And what a job is given. `open.py` chooses: Cloud Run, an emulator that the environment names, or this machine. May
import `staging`; its adapters lie in `cloudrun/` and `local/`.
"""
