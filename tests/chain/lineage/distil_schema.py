"""Distils OpenLineage's published JSON schema to what an event is checked by.

    git clone https://github.com/OpenLineage/OpenLineage && python -m tests.chain.lineage.distil_schema OpenLineage

The schemas are (c) contributors to the OpenLineage project, Apache-2.0. Descriptions and examples are left out. The
result lies beside this file, with the versions of the schemas, which are those that the client names in its events.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("openlineage_schema.json")
NAMES = (
    *("OpenLineage", "facets/ColumnLineageDatasetFacet", "facets/ErrorMessageRunFacet", "facets/NominalTimeRunFacet"),
    *("facets/OutputStatisticsOutputDatasetFacet", "facets/ParentRunFacet", "facets/ProcessingEngineRunFacet"),
    *("facets/SchemaDatasetFacet", "facets/TagsRunFacet"),
)
_PROSE = ("description", "example", "deprecated", "$schema", "$comment")


def distil(spec: Path) -> dict[str, Any]:
    found = {}
    for name in NAMES:
        schema = json.loads((spec / f"{name}.json").read_text("utf-8"))
        found[schema["$id"]] = _without_prose(schema["$defs"])
    return {"source": "https://openlineage.io/spec", "licence": "Apache-2.0", "schemas": found}


def _without_prose(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_prose(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_prose(each) for key, each in value.items() if not (key in _PROSE and _is_prose(each))}


def _is_prose(value: Any) -> bool:
    """A property may be called `description`; what says something of one is no schema."""
    return not isinstance(value, dict)


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(distil(Path(sys.argv[1]) / "spec"), indent=1) + "\n")
