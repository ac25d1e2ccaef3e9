"""What an export needs of a database.

And the vocabulary that all adapters share. Sources, slices, columns, time bounds, and what a plan of a statement says.
May import `staging`; nothing else of the exporter.
"""
