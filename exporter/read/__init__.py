"""Reads one day from a connected source.

In one snapshot, or in slices that a seal proves. `day.py` chooses and starts over; `slice_loop.py` is the loop;
`sealing.py` seals all tables of an instant, `timeless.py` reads in its snapshot; `snapshot_guard.py` ends what lasts
too long. May import port, shards, refuse and pacing; no adapter by name.
"""
