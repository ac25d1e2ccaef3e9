"""Looks at everything that a run needs: source, transform, target, store, jobs.

Each look is a line with its fix; none stops at the first fault.
May import each job's own looks.
"""
