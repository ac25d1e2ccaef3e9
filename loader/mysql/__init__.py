"""MySQL and MariaDB as the target, by PyMySQL.

LOAD DATA LOCAL, or INSERTs where it is off. `database.py` is the port's adapter; catalogue and SQL have a file each.
May import the loader's port, `databases` and pymysql; no other adapter.
"""
