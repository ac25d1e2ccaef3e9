"""What exporter and loader both know of a database server.

Each server has a folder with `errors.py` (what its error numbers mean), `url.py` (what a URL's options tell its
driver), `session.py` (what every session sets). May import `staging`; no job.
"""
