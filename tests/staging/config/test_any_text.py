"""Whatever a pipeline file, a variable or a flag holds: a pipeline, or one InputError that shows no secret."""

from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staging.config.faults import known_keys
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.config.toml_lines import find_key_lines, line_of
from staging.errors import InputError

COMPLETE = """\
name = "daily_revenue"
[source]
url = "sqlite:///shop.db"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "file:///folder"
[target]
url = "sqlite:///target.db"
table = "revenue"
"""
KEYS = [".".join(key) for key in known_keys(Pipeline)]
SAME_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

toml_values = st.recursive(
    st.one_of(st.text(), st.integers(-(2**70), 2**70), st.booleans(), st.just("2026-01-01")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=5,
)


@SAME_FILE
@given(
    text=st.one_of(
        st.text(), st.lists(st.sampled_from([*COMPLETE.splitlines(), "[", "]", '"""', "x = ", "=", "'"])).map("\n".join)
    )
)
def test_any_text_is_a_pipeline_or_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with contextlib.suppress(InputError):
        load_pipeline(path, environ={})


@SAME_FILE
@given(key=st.sampled_from(KEYS), value=toml_values)
def test_any_value_of_any_key_is_taken_or_named(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "p.toml"
    lines = [line for line in COMPLETE.splitlines() if line.startswith("name") and key != "name"]
    path.write_text("\n".join([*lines, f"{key} = {toml(value)}"]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_pipeline(path, environ={})
    assert "is missing" in str(caught.value) or "is not TOML" in str(caught.value)


@SAME_FILE
@given(
    variables=st.dictionaries(
        st.sampled_from(
            ["PENSTOCK_" + key.upper().replace(".", "__") for key in KEYS] + ["PENSTOCK___X", "PENSTOCK_A__"]
        ),
        st.text(st.characters(exclude_characters="\0")),
        max_size=4,
    ),
    flags=st.lists(st.text(max_size=20) | st.tuples(st.sampled_from(KEYS), st.text()).map("=".join), max_size=3),
)
def test_any_variable_and_flag_is_taken_or_named(tmp_path: Path, variables: dict[str, str], flags: list[str]) -> None:
    path = tmp_path / "p.toml"
    path.write_text(COMPLETE)
    with contextlib.suppress(InputError):
        load_pipeline(path, environ=variables, overrides=flags)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a" * 100_000 + " = 1", "\ufeffname = 1"])
def test_texts_that_break_parsers_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load_pipeline(path, environ={})


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "# [x]", "  ", "\t# y = 1"]),
            st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=4),
            st.sampled_from(
                ['"#"', "'[a]'", '[1,\n "]",\n]', '"""\nb = 1\n[c]\n"""', "'''\n'''", "{x = [1]}", "1", '""""a"""']
            ),
        ),
        max_size=8,
        unique_by=lambda entry: entry[1],
    )
)
def test_every_key_is_found_on_its_line(entries: list[tuple[str, str, str]]) -> None:
    text = "[s] # header\n"
    expected: dict[tuple[str, ...], int] = {("s",): 1}
    for before, key, value in entries:
        text += f"{before}\n"
        expected["s", key] = text.count("\n") + 1
        text += f"{key} = {value} # end\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert find_key_lines(text) == expected
    assert line_of(("s", "nowhere"), expected) == 1
    assert line_of(("t",), expected) is None


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)
