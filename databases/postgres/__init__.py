"""What exporter and loader know of PostgreSQL.

What its SQLSTATEs mean, what a URL's options tell libpq, what every session sets. May import psycopg, `staging` and
what is common in `databases`; no other server's room.
"""
