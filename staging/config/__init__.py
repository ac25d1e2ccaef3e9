"""Reads the pipeline file.

Its sections, their checks, and where each setting comes from. The later layer wins: file, environment, `--set`; all
faults are reported at once, and no secret is shown. May import staging's errors, names, window and key; no store and no
document.
"""
