"""The Google Cloud Storage adapter of the storage port.

Requests, uploads and downloads are repeated within a patience; what the SDK raises ends here.
The only folder of staging that may import Google's SDK.
"""
