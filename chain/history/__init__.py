"""Lists past runs: when, who, how long, how much.

`day.py` reads it from a day's documents, `index.py` remembers it, `read.py` puts both together, `view.py` shows it.
May import `staging` alone, and `chain.views` to show it.
"""
