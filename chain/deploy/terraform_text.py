"""Writes Terraform's JSON syntax.

A text in it is literal only with its templates escaped.

https://developer.hashicorp.com/terraform/language/syntax/json
"""

from __future__ import annotations

import json
from typing import Any


class Expression(str):
    """A text that Terraform evaluates, such as `${var.alert_email}`.

    Every other text is literal.
    """

    __slots__ = ()


def to_text(document: dict[str, Any]) -> str:
    """Return the document as the text of a `.tf.json` file.

    The same document gives the same bytes.
    """
    return json.dumps(literal(document), ensure_ascii=False, indent=2) + "\n"


def literal(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the value with the templates of all texts escaped.

    `${` and `%{` of literal texts, in names as in values.
    """
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, dict):
        return {literal(key): literal(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [literal(each) for each in value]
    return value
