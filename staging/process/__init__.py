"""What every job's process shares.

Signals, exit codes, progress, and code of the pipeline's author. A handler only sets a flag; one place maps errors to
exit codes and keeps secrets out of print. May import staging's errors and redaction; no store.
"""
