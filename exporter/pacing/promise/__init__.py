"""Holds a promise: how much slower the shop's own statement may become.

`prober` runs it, `first_look` says whether it can be run, `windows` keeps its latencies with and without us,
`controller` decides how long to rest (by `confidence`), `verdict` says whether the promise was held, and `hold` puts
them together. What was decided, and why, is in docs/decisions/0025.
"""
