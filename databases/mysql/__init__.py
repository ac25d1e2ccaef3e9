"""What exporter and loader know of MySQL and MariaDB.

What their error numbers mean, what a URL's options tell PyMySQL, what every session sets. May import PyMySQL, `staging`
and what is common in `databases`; no other server's room.
"""
