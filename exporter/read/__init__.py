"""Reads one day from a connected source.

In one snapshot, or in slices that a seal proves. `day.py` chooses and starts over; `slice_loop.py` is the loop;
`snapshot_guard.py` ends what lasts too long. May import port, shards, refuse and pacing; no adapter by name.
"""
