"""What an export needs of a database.

And the vocabulary that all adapters share: sources, slices, columns, time bounds, and plans of statements. May import
`staging`; nothing else of the exporter.
"""
