"""Who may do what, where an emulator has a policy.

IAM's bindings, and what each role permits.
"""
