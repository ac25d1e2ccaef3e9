"""The methods of the Cloud Run Admin API v2.

Jobs, executions, tasks, operations. Defaults, checks, messages and paging in the API's own words. May import the state
and what runs executions; no transport.
"""
