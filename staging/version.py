"""Says which version of Penstock this is, and its distribution's name."""

from __future__ import annotations

VERSION = "0.1.0"
"""As in pyproject.toml. It is written here, too: to ask what is installed takes time, and fails in a bare copy."""

DISTRIBUTION = "penstock-pipelines"
"""What is installed: `penstock` of PyPI is somebody else's."""
