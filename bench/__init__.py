"""Side-by-side measurements; the tools measured against have an environment of their own, `bench/pyproject.toml`."""
