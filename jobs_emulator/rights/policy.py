"""A policy: members with roles on resources.

And the tokens by which callers are known.

JSON::

    {
      "bindings": [
        {"resource": "projects/acme/locations/eu/jobs/report", "role": "roles/run.invoker",
         "members": ["serviceAccount:nightly@acme.iam.gserviceaccount.com"]}
      ],
      "tokens": {"abc": "serviceAccount:nightly@acme.iam.gserviceaccount.com"}
    }

A binding on a resource holds for all below it (https://cloud.google.com/iam/docs/resource-hierarchy-access-control).
What a role permits is in `roles.json`, with its source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROLES_FILE = Path(__file__).with_name("roles.json")


class PolicyError(ValueError):
    """The policy is none, or names an unknown role.

    The role is not in the table.
    """


@dataclass(frozen=True, slots=True)
class Binding:
    """A role on a resource and all below it, for some members."""

    resource: str
    role: str
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Policy:
    """All bindings; `tokens` are members by what they send as `Authorization: Bearer`."""

    bindings: tuple[Binding, ...]
    tokens: Mapping[str, str] = field(default_factory=dict)

    def allows(self, member: str, permission: str, resource: str) -> bool:
        """Whether some binding gives the member the permission on the resource."""
        return any(
            member in binding.members
            and permission in role_permissions()[binding.role]
            and (resource == binding.resource or resource.startswith(f"{binding.resource}/"))
            for binding in self.bindings
        )

    def member_of(self, authorization: str) -> str:
        """Return who sent the header; "" for a stranger."""
        scheme, _, token = authorization.partition(" ")
        return self.tokens.get(token.strip(), "") if scheme.lower() == "bearer" else ""


_permissions: dict[str, frozenset[str]] = {}


def role_permissions() -> Mapping[str, frozenset[str]]:
    """Return what each role of the table permits."""
    if not _permissions:
        table = json.loads(ROLES_FILE.read_text(encoding="utf-8"))["roles"]
        _permissions.update({role: frozenset(each["permissions"]) for role, each in table.items()})
    return _permissions


def read_policy(path: Path) -> Policy:
    """Return the policy of a file.

    PolicyError with what is wrong with it.
    """
    try:
        return parse_policy(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        raise PolicyError(f"{path}: {exc}") from exc


def parse_policy(document: Any) -> Policy:  # noqa: ANN401 - any JSON
    """Return the policy of a document.

    PolicyError with what is wrong with it.
    """
    try:
        bindings = tuple(
            Binding(str(each["resource"]).strip("/"), str(each["role"]), frozenset(map(str, each["members"])))
            for each in document["bindings"]
        )
        tokens = {str(token): str(member) for token, member in document.get("tokens", {}).items()}
    except (KeyError, TypeError, AttributeError) as exc:
        raise PolicyError(f"not a policy: {exc!r}") from exc
    unknown = sorted({binding.role for binding in bindings} - role_permissions().keys())
    if unknown:
        raise PolicyError(f"no such role in the table: {', '.join(unknown)}")
    return Policy(bindings, tokens)
