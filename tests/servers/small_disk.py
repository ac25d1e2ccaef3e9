"""A real file system of a mebibyte or so, which a test may fill: what is written there then fails as it does anywhere.

No rights are needed. Where a user may make namespaces (most machines; every root), it is a tmpfs in one of its own,
which only commands with `prefix` see under its name. In a container that forbids them it is a folder on the
container's own /dev/shm, which is a tmpfs of 64 MB there; `fill` takes all of it for the moment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.keeper import drop_rights
from tests.servers.programs import ServerMissingError

_MOUNT = 'mount -t tmpfs -o "size=$1,mode=777" penstock "$2" && echo ready && exec cat'
_SHARED_MEMORY = Path("/dev/shm")
_SHARED_MOST_BYTES = 256 * 1024 * 1024
_PAGE_BYTES = 4096


class SmallDisk:
    """`folder` lies on it, for commands that begin with `prefix`; `outside` is the same folder for everybody else.

    `outside` leads through /proc, so it is for those who take a path as it is, and only `user` (`-`: ourselves) may
    write there. ServerMissingError where there can be none.
    """

    def __init__(self, size_bytes: int, *, user: str = "-") -> None:
        self._place = Path(tempfile.mkdtemp(prefix="penstock-disk-"))
        self._user = user
        self._holder: subprocess.Popen[str] | None = None
        self.folder, self.outside, self.prefix = self._place, self._place, list[str]()
        try:
            if not self._mount(size_bytes):
                self._share()
        except BaseException:
            self.close()
            raise

    def _mount(self, size_bytes: int) -> bool:
        if self._user != "-":
            shutil.chown(self._place, self._user)
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", str(size_bytes)]
        # It lives until its standard input ends, so not longer than whoever started it.
        self._holder = subprocess.Popen(
            [*command, str(self._place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            **drop_rights(self._user),
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self._let_go()
            return False
        pid = self._holder.pid
        self.prefix = ["nsenter", f"--target={pid}", "--user", "--mount", "--preserve-credentials", "--wd=."]
        self.outside = Path(f"/proc/{pid}/root{self._place}")
        return True

    def _share(self) -> None:
        sizes = os.statvfs(_SHARED_MEMORY) if _SHARED_MEMORY.is_mount() else None
        if sizes is None or sizes.f_blocks * sizes.f_frsize > _SHARED_MOST_BYTES:
            raise ServerMissingError(
                "a disk that may be filled", "allow user namespaces, or give /dev/shm at most 256 MB, as containers do"
            )
        shutil.rmtree(self._place)
        self._place = Path(tempfile.mkdtemp(prefix="penstock-disk-", dir=_SHARED_MEMORY))
        self._place.chmod(0o777)
        if self._user != "-":
            shutil.chown(self._place, self._user)
        self.folder = self.outside = self._place

    def fill(self, *, but_bytes: int = 0) -> None:
        """Let only so many bytes be written to it from now on, in pages of 4 KiB."""
        self.make_room()
        sizes = os.statvfs(self.outside)
        taken_bytes = sizes.f_bavail * sizes.f_frsize - but_bytes // _PAGE_BYTES * _PAGE_BYTES
        assert taken_bytes >= 0, "it is smaller than that"
        if taken_bytes:
            self._run("fallocate", f"--length={taken_bytes}", self._filler)

    def make_room(self) -> None:
        """Undo `fill`."""
        self._run("rm", "-f", self._filler)

    @property
    def _filler(self) -> str:
        return str(self.folder / "filler")

    def _run(self, *command: str) -> None:
        subprocess.run([*self.prefix, *command], cwd="/", check=True, **drop_rights(self._user))

    def close(self) -> None:
        """Give it back, with all that is on it; safe to call twice."""
        self._let_go()
        shutil.rmtree(self._place, ignore_errors=True)

    def _let_go(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.communicate()
