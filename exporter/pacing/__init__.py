"""Pacing (others say throttling): what makes a read wait.

Between two slices, or before a snapshot. One file a decision. `rules` which limits hold · `rates` how long a slice is
rested from · `latency` whether slices have become slow · `signals` and `limits` what the database and people say,
`postgres_signals` and `mysql_signals` how it is asked for · `signal_connection` by which connection · `calm` how often,
and what a signal that can't be read means · `closed_loop` puts them together · `open_pace` opens what the configuration
asks for · `give_way` is about our own processor time.
"""
