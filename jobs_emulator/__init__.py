"""The Cloud Run Admin API v2 for jobs, over local processes; useful without Penstock."""
