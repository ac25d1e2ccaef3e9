"""The commands as the command line knows them: options and help. What each does stands in `chain.command_…`."""
