"""One loopback port for gRPC and REST.

And the services beside the API. Only programs on this machine may speak to it. May import the API and the state; never
a job of the project.
"""
