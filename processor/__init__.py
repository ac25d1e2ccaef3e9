"""One Cloud Run Job task: the shards of its index to parts."""
