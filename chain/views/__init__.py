"""Shows people and programs how the work goes.

While days are worked on, and when they have ended. Bars on a terminal, plain lines elsewhere, JSON where it is asked
for. May import reports and the jobs' port; decides nothing.
"""
