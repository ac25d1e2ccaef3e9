"""Hours as names of windows.

`name.py` has the name, `zone.py` finds a zone's hours, `read.py` reads people's names for them. May import nothing but
the errors.
"""
