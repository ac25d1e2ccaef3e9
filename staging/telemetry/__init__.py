"""Traces and metrics of a run, where somebody wants them.

`span.py` is what the jobs call, and does nothing; `open.py` decides; `otel.py` alone knows OpenTelemetry, and is
imported only where it is switched on. Nothing here may end or hold up a job. May import staging's errors and redaction.
"""
