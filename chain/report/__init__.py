"""Writes one HTML page of a day or range of days.

What was proven, when it ran, what it waited for, what it cost. `gather.py` reads a day's documents, `charts.py` alone
draws (matplotlib), `page.py` writes the page. It opens without a network: nothing is fetched, no script runs. May
import `chain.day`, `chain.diff`, `chain.history`.
"""
