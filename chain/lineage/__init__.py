"""Reports to a lineage catalogue what each job made of what.

`day.py` is what a day calls, `datasets.py` names what is read and written, `describe_run.py` says from a run's
documents what is made of what, `events.py` describes a job's run by OpenLineage's own classes, `sender.py` sends. Off
unless PENSTOCK_OPENLINEAGE=1. Nothing here may end or hold up a day.
"""
