"""The `penstock` commands, one file each: options, help and body.

Heavy libraries are imported inside a command's body, never for `--help`.
May import everything of the chain; nothing of the chain imports a command.
"""
