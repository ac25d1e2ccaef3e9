"""Pacing (others say throttling): what makes a read wait.

Between two slices, or before a snapshot. One file a decision. `rules` which limits hold · `latency` whether slices have
become slow · `signals` the port, and signals that ask no database · `limits` what is asked of every database,
`postgres_signals` and `mysql_signals` how · `signal_connection` by which connection · `calm` how often, and what a
signal that can't be read means · `closed_loop` puts them together, and says how long a slice is rested from ·
`open_pace` opens what the configuration asks for · `promise` what the shop's own statement feels · `give_way` is about
our own processor time.
"""
