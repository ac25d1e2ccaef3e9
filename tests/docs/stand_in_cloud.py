"""gcloud, terraform and docker for a reader without a cloud: each command is checked, and done where it can be.

What is done: secrets are kept, a bucket is demanded, jobs are created in the emulator from the resources of the file,
with the rights of the file, and executions are started, waited for and listed there.

What is checked alone, because it needs Google's servers or a daemon: logins, APIs, `terraform init` and the plan of an
apply (the real terraform reads and formats the files, where there is one; its provider can't be had), and building and
pushing images (`tests/images` follows the Dockerfiles). Flags are looked up in what the real programs say of
themselves, where they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.chain.deploy.night import DEPLOYER, PLACE, Night, open_deployment
from tests.chain.deploy.spoken import check_gcloud, resources_of
from tests.docs.reader import Reader

_ONLY_LOOKED_AT = (
    ("auth", "login"),
    ("auth", "application-default", "login"),
    ("auth", "configure-docker"),
    ("config", "set"),
    ("services", "enable"),
)
_PROGRAM = """\
#!@PYTHON@ -IS
import http.client, json, os, sys
variables = {name: text for name, text in os.environ.items() if name.startswith("TF_VAR_")}
told = {"program": os.path.basename(sys.argv[0]), "arguments": sys.argv[1:], "folder": os.getcwd()}
told |= {"variables": variables, "input": sys.stdin.read() if "--data-file=-" in sys.argv else ""}
connection = http.client.HTTPConnection("127.0.0.1", @PORT@)
connection.request("POST", "/", json.dumps(told))
answer = json.loads(connection.getresponse().read())
print(answer["says"])
sys.exit(answer["code"])
"""


@dataclass
class Told:
    """A command line: its words, its flags (the last value of each), and where it was typed."""

    words: list[str]
    flags: dict[str, str]
    folder: Path
    variables: dict[str, str]
    input: str


@dataclass
class StandInCloud:
    """What the three programs keep; `begin` puts them into a reader's PATH."""

    reader: Reader
    storage: str
    buckets: set[str]
    secrets: dict[str, str] = field(default_factory=dict)
    built: set[str] = field(default_factory=set)
    pushed: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    """Each command, as it was typed."""

    night: Night | None = None
    opened: ExitStack = field(default_factory=ExitStack)

    def begin(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.opened.callback(thread.join)
        self.opened.callback(server.server_close)
        self.opened.callback(server.shutdown)
        script = _PROGRAM.replace("@PYTHON@", sys.executable).replace("@PORT@", str(server.server_port))
        for program in ("gcloud", "terraform", "docker"):
            self.reader.put_command(program, script)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = json.dumps(cloud.answer(told)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler

    def answer(self, told: dict[str, Any]) -> dict[str, Any]:
        arguments: list[str] = told["arguments"]
        self.done.append(" ".join([told["program"], *arguments]))
        does: dict[str, Callable[[list[str], dict[str, Any]], str]] = {
            "gcloud": self._gcloud,
            "terraform": self._terraform,
            "docker": self._docker,
        }
        try:
            return {"code": 0, "says": does[told["program"]](arguments, told)}
        except Exception as wrong:  # noqa: BLE001 - the reader's command fails, and says why
            return {"code": 1, "says": f"{self.done[-1]}: {type(wrong).__name__}: {wrong}"}

    def _gcloud(self, arguments: list[str], told: dict[str, Any]) -> str:
        words = [each for each in arguments if not each.startswith("--")]
        flags = dict(each.partition("=")[::2] for each in arguments if each.startswith("--"))
        check_gcloud(words, flags)
        match words:
            case ["secrets", "create", name]:
                assert flags.pop("--data-file") == "-"
                self.secrets[name] = told["input"]
            case ["secrets", "delete", name]:
                del self.secrets[name]
            case ["run", "jobs", "execute", job]:
                return self._execute(job, flags)
            case ["run", "jobs", "executions", "list"]:
                listed = self._night().call("GET", f"/v2/{PLACE}/jobs/{flags['--job']}/executions", None, DEPLOYER)
                return "\n".join(each["name"].rpartition("/")[2] for each in listed["executions"])
            case _:
                assert any(tuple(words[: len(known)]) == known for known in _ONLY_LOOKED_AT), words
        return ""

    def _execute(self, job: str, flags: dict[str, str]) -> str:
        night = self._night()
        overrides = {"containerOverrides": [{"args": flags["--args"].split(",")}]} if "--args" in flags else None
        body = {} if overrides is None else {"overrides": overrides}
        begun = night.call("POST", f"/v2/{PLACE}/jobs/{job}:run", json.dumps(body).encode(), DEPLOYER)
        execution = str(begun["metadata"]["name"])
        ended = night.wait(execution)  # with or without --wait: what a page says next may lean on it
        assert ended.get("succeededCount") == 1, night.log()
        return execution.rpartition("/")[2]

    def _terraform(self, arguments: list[str], told: dict[str, Any]) -> str:
        command, *rest = arguments
        folder = Path(told["folder"])
        resources = resources_of((folder / "penstock.tf.json").read_text())
        known = json.loads((folder / "variables.tf.json").read_text())["variable"]
        given = {name.removeprefix("TF_VAR_") for name in told["variables"]}
        given |= {each.partition("=")[0] for flag, each in pairwise(rest) if flag == "-var"}
        assert given <= set(known), given
        targets = [each.removeprefix("-target=") for each in rest if each.startswith("-target=")]
        for target in targets:
            kind, _, name = target.partition(".")
            assert name in resources[kind], target
        match command:
            case "init":
                _read_by_terraform(folder)
            case "apply" if not targets and self.night is None:
                asked = {name for name, variable in known.items() if "default" not in variable}
                assert asked <= given, f"it would ask for {asked - given}"
                self._apply(resources)
            case "output":
                assert rest[0] == "-raw"
                value = json.loads((folder / "outputs.tf.json").read_text())["output"][rest[1]]["value"]
                assert isinstance(value, str)
                return value
            case "destroy":
                for job in resources["google_cloud_run_v2_job"].values():
                    self._night().call("DELETE", f"/v2/{PLACE}/jobs/{job['name']}", None, DEPLOYER)
            case "apply":
                pass
            case _:
                raise AssertionError(command)
        return ""

    def _apply(self, resources: dict[str, dict[str, dict[str, Any]]]) -> None:
        jobs = resources["google_cloud_run_v2_job"].values()
        images = {job["template"]["template"]["containers"][0]["image"] for job in jobs}
        assert images == self.pushed, "a job's image is not in the registry"
        assert {each["name"] for each in resources["google_storage_bucket"].values()} == self.buckets
        folder = self.reader.folder / ".cloud"
        folder.mkdir()
        night = open_deployment(folder, resources, self.storage, self.secrets)
        self.night = self.opened.enter_context(night)
        self.night.create_jobs()
        self.reader.environ |= self.night.variables(self.storage)

    def _docker(self, arguments: list[str], told: dict[str, Any]) -> str:
        command, *rest = arguments
        folder = Path(told["folder"])
        if command == "push":
            (image,) = rest
            assert image in self.built, image
            self.pushed.add(image)
            return ""
        assert command == "build", command
        assert rest[-1] == "."
        pairs = list(zip(rest[:-1:2], rest[1:-1:2], strict=True))
        assert {flag for flag, _ in pairs} <= _flags_of_docker(), pairs
        lines = (folder / dict(pairs)["-f"]).read_text()
        for flag, value in pairs:
            name, _, text = value.partition("=")
            if flag == "--build-arg":
                assert f"ARG {name}=" in lines, value
                lines = lines.replace(f"${name}", text)
        based = set(re.findall(r"^FROM (penstock-\w+)", lines, re.MULTILINE))
        assert based <= self.built, based
        self.built |= {value for flag, value in pairs if flag == "-t"}
        return ""

    def _night(self) -> Night:
        assert self.night is not None, "nothing is deployed"
        return self.night


@cache
def _flags_of_docker() -> set[str]:
    """Those of `docker build`, by its own help where there is one; without, the three that everybody knows."""
    program = shutil.which("docker")
    if program is None:
        return {"-f", "-t", "--build-arg"}
    told = subprocess.run([program, "build", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<!\w)--?[a-z][a-z-]*", told))


def _read_by_terraform(folder: Path) -> None:
    """As far as terraform comes without its provider: the files are read, and would not be formatted otherwise."""
    program = shutil.which("terraform")
    if program is None:
        return
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    for command in (["fmt", "-check", "-diff"], ["providers"]):
        read = subprocess.run([program, *command], cwd=folder, capture_output=True, text=True, check=False, env=environ)
        assert read.returncode == 0, read.stdout + read.stderr
