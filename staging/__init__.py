"""The contract between the jobs: object names, documents, the storage port and its adapters, errors."""
