"""Who may do what, where an emulator is told so: IAM's bindings, and what each role permits."""
