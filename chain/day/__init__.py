"""One day brought to done: lease, fence, export, process, load, report.

`run.py` has the steps; `next_step.py` says what is left to do for each state of a day. May import the jobs' port and
`staging`; no job directly, no view.
"""
