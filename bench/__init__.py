"""Side-by-side measurements; the other tools have an environment of their own, `bench/pyproject.toml`."""
