"""What the emulator costs, compared with a bare start of the same processes."""
