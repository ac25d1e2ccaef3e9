"""What the emulator costs over starting the same processes barely."""
