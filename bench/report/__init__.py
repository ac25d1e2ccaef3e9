"""The report of all samples: a file for each kind of question, `write.py` puts them together."""
