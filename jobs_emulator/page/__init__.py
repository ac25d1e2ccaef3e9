"""The status page: jobs, executions and tasks.

Light and dark, without a script. `frame.py` is the style, `status.py` the content. May import state, records and logs.
"""
