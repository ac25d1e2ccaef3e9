"""Shows how far days are.

Read from the bucket and, where that can be asked, from the jobs' API. `read.py` reads a day, `many.py` many of them,
`day.py` words it, `view.py` shows it, `watch.py` looks again. May import `chain.day`, `chain.history`, `chain.jobs` and
`chain.views`.
"""
