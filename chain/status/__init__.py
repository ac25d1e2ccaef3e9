"""Shows how far days are.

Read from the bucket and, where that can be asked, from the jobs' API. `read.py` reads, `day.py` words it, `view.py`
shows it, `watch.py` looks again. May import `chain.day`, `chain.jobs` and `chain.views`.
"""
