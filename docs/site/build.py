"""Builds the documentation as a site: `make docs`.

The site is made from a copy: the documents, what they link to, and an index of errors that is taken from the code. The
copy has the repository's paths, so that a link works alike in both. Nothing is fetched, neither now nor by a reader.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "docs" / "site"
sys.path.insert(0, str(SITE))

from error_index import write_error_index  # noqa: E402 - a neighbour of this script

PAGES = (
    "*.md",
    "docs/*.md",
    "docs/howto/*.md",
    "docs/decisions/*.md",
    "pipelines/README.md",
    "jobs_emulator/README.md",
)
_LINKS = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main(into: Path) -> int:
    """Build the site; a broken link or another warning ends it with 1."""
    with tempfile.TemporaryDirectory(prefix="penstock-docs-") as folder:
        work = Path(folder)
        copy_documents(work / "pages")
        (work / "pages" / "docs" / "errors.md").write_text(write_error_index(ROOT), encoding="utf-8")
        shutil.copy(SITE / "zensical.toml", work)
        done = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=work, check=False)
        if done.returncode != 0:
            return 1
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(work / "out", into)
    return 0


def copy_documents(pages: Path) -> None:
    """Copy every page, and each file that a page links to."""
    for page in sorted({page for pattern in PAGES for page in ROOT.glob(pattern)}):
        links = [link for link in _LINKS.findall(page.read_text("utf-8")) if ":" not in link]
        linked = [Path(os.path.normpath(page.parent / link)) for link in links]  # a symbolic link stays where it is
        for file in (page, *linked):
            if file.is_file():
                there = pages / file.relative_to(ROOT)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, there)
    (pages / "docs" / "site").mkdir(parents=True)
    shutil.copy(SITE / "iframe-worker.js", pages / "docs" / "site")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "site"))
