"""Distils the provider's schema, as far as a deployment needs it, from the published npm package of its bindings.

    npm pack @cdktf/provider-google@16.12.1 && tar xzf cdktf-provider-google-16.12.1.tgz
    python -m tests.chain.deploy.distil_schema package

The bindings are generated from what `terraform providers schema` says of the provider, so each attribute, its type,
whether it is a block and whether it is required stand in them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("provider_schema.json")
RESOURCES = (
    "google_artifact_registry_repository",
    "google_cloud_run_v2_job",
    "google_cloud_run_v2_job_iam_member",
    "google_cloud_scheduler_job",
    "google_monitoring_alert_policy",
    "google_monitoring_notification_channel",
    "google_project_iam_member",
    "google_project_service",
    "google_secret_manager_secret_iam_member",
    "google_service_account",
    "google_storage_bucket",
    "google_storage_bucket_iam_member",
)
_ATTRIBUTE = re.compile(
    r"^ +(?P<name>\w+): \{\s+value: (?P<value>.+),\s+isBlock: (?P<block>true|false),\s+"
    r'type: "(?P<type>\w+)",\s+storageClassType: "(?P<storage>\w+)",',
    re.MULTILINE,
)


def distil(package: Path) -> dict[str, Any]:
    """The schema of the resources: attribute → type, whether required, and what is inside a block."""
    described = json.loads((package / "package.json").read_text(encoding="utf-8"))
    provider = described["cdktf"]["provider"]
    return {
        "source": f"npm {described['name']} {described['version']}",
        "provider": provider["name"],
        "version": provider["version"],
        "resources": {resource: _Bindings(package, resource).resource() for resource in RESOURCES},
    }


class _Bindings:
    def __init__(self, package: Path, resource: str) -> None:
        name = resource.removeprefix("google_")
        folder = package / "lib" / name.replace("_", "-")
        self._name = "".join(part.capitalize() for part in name.split("_"))
        self._code = (folder / "index.js").read_text(encoding="utf-8")
        self._types = (folder / "index.d.ts").read_text(encoding="utf-8")

    def resource(self) -> dict[str, Any]:
        body = self._code.split("synthesizeHclAttributes() {")[1].split("return Object.fromEntries")[0]
        return self._attributes(body, f"{self._name}Config")

    def _attributes(self, body: str, interface: str) -> dict[str, Any]:
        declared = self._types.split(f"export interface {interface} ")[1].split("\n}")[0]
        found = {}
        for match in _ATTRIBUTE.finditer(body):
            words = match["name"].split("_")
            camel = words[0] + "".join(word.capitalize() for word in words[1:])
            attribute: dict[str, Any] = {
                "type": match["storage"] if match["block"] == "false" else "block",
                "required": re.search(rf"readonly {camel}: ", declared) is not None,
            }
            if match["block"] == "true":
                function = re.search(r"(\w+)ToHclTerraform", match["value"])
                assert function is not None, match["value"]
                attribute["many"] = "listMapperHcl" in match["value"]
                attribute["attributes"] = self._block(function[1])
            found[match["name"]] = attribute
        return dict(sorted(found.items()))

    def _block(self, name: str) -> dict[str, Any]:
        body = self._code.split(f"function {name}ToHclTerraform(")[1].split("\n}")[0]
        return self._attributes(body, name[0].upper() + name[1:])


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(distil(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")
