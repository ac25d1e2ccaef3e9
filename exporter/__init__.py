"""Database to shards and manifest, in one gentle read."""
