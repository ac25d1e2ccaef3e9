"""The image table: what it takes, what it refuses, which image a reference finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs_emulator.images import Image, ImageTableError, image_table, read_image_table

TABLE = """
pass_env = ["STORAGE_EMULATOR_HOST"]

[images."europe-docker.pkg.dev/acme/jobs/report"]
entrypoint = ["python", "-m", "report"]
cmd = ["--help"]
cwd = "checkout"
env = { LOG_LEVEL = "info" }

[images."localhost:5000/tool:2"]
entrypoint = ["/bin/true"]

[secrets]
plain = "value:p@ss:word"
from-file = "file:secret.txt"
from-env = "env:THE_SECRET"
"""


def test_a_table_is_read_with_folders_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", "s3")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "secret.txt").write_text("from the file")
    (tmp_path / "images.toml").write_text(TABLE)

    table = read_image_table(tmp_path / "images.toml")

    report = table.find("europe-docker.pkg.dev/acme/jobs/report")
    assert report == Image(("python", "-m", "report"), ("--help",), str(tmp_path / "checkout"), {"LOG_LEVEL": "info"})
    assert table.pass_env == ("STORAGE_EMULATOR_HOST",)
    assert dict(table.secrets) == {"plain": "p@ss:word", "from-file": "from the file", "from-env": "s3"}


@pytest.mark.parametrize(
    ("reference", "is_found"),
    [
        ("acme/report", True),
        ("acme/report:v7", True),
        ("acme/report@sha256:abc", True),
        ("acme/report:v7@sha256:abc", True),
        ("acme/repor", False),
        ("localhost:5000/tool:2", True),
        ("localhost:5000/tool:3", False),
        ("localhost:5000/tool", False),
    ],
)
def test_a_reference_without_tag_stands_for_all_tags_and_one_with_a_tag_for_itself(
    reference: str, is_found: bool
) -> None:
    table = image_table({"acme/report": ["/bin/true"], "localhost:5000/tool:2": ["/bin/true"]})
    assert (table.find(reference) is not None) is is_found


def test_an_exact_entry_wins_over_the_one_for_all_tags() -> None:
    table = image_table({"a/b": ["all"], "a/b:2": ["two"]})
    found = table.find("a/b:2")
    assert found is not None
    assert found.entrypoint == ("two",)


def test_all_faults_of_a_table_are_told_at_once_and_no_secret_with_them() -> None:
    with pytest.raises(ImageTableError) as caught:
        image_table(
            {
                "a": {"entrypoint": "not a list", "cwd": "/nowhere", "shell": True},
                "b": {"env": {"N": 1}},
                "c": 7,  # type: ignore[dict-item] # wrong on purpose
            },
            secrets={"db": "hunter2"},
            pass_env="PATH",
        )
    told = str(caught.value)
    for part in (
        "images.a.entrypoint",
        "images.a.cwd",
        "'shell'",
        "images.b.env",
        "images.c",
        "secrets.db",
        "pass_env",
    ):
        assert part in told
    assert "hunter2" not in told


def test_text_that_is_no_toml_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text("[images")
    with pytest.raises(ImageTableError, match=r"images\.toml"):
        read_image_table(tmp_path / "images.toml")
