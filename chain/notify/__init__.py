"""Notifies a webhook of how a night went.

A failure, a late day, one that recovered, days that changed. `notice.py` is the message and its shapes, `post.py` posts
it, `teller.py` decides. Whatever goes wrong here is said on stderr and changes nothing of a run. May import
`chain.history` and `staging`.
"""
