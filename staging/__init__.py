"""The contract between the jobs.

Object names, documents, the storage port and its adapters, errors, settings. May import no job and no `databases`.
"""
