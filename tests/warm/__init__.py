"""Python processes that start in milliseconds: forks of one that has imported everything.

`warm_python()` is a program to put where a test would write `sys.executable`. What it starts is a real process with its
own environment, folder, files and exit code; signals reach it, and it ends when the program is killed. Tests that
freeze a process, or look at its number, take `sys.executable`.
"""

from tests.warm.start import warm_python as warm_python
