"""A Python function is a source: its batches are staged exactly, its faults are told with its own lines."""

from __future__ import annotations

import itertools
import signal
import subprocess
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.inspect.describe import describe_source
from staging.config.pipeline import Pipeline
from staging.errors import ExitCode, InputError, InterruptedRunError, UnavailableError
from staging.process.cancel import Cancel
from tests.exporter.arrow.parquet_lake import pipeline_of
from tests.exporter.days import DAY, Export, committed, run_export
from tests.warm import warm_python

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 13, 23, tzinfo=UTC)  # of the 14th in Berlin
NUMBERS = itertools.count()
HEAD = """\
from datetime import datetime, timedelta
from decimal import Decimal
import polars as pl
import pyarrow as pa

SCHEMA = {"user_id": pl.Int64(), "purchased_at": pl.Datetime("us", "UTC"), "amount": pl.Decimal(12, 2)}

def frame(start, first, rows, **types):
    made = [(i % 7, start + timedelta(minutes=i), Decimal(i) / 100) for i in range(first, first + rows)]
    return pl.DataFrame(made, schema=SCHEMA | types, orient="row")

def retyped(made, **types):
    table = made.to_arrow()
    for name, dtype in types.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table[name].cast(dtype))
    return table

"""

Source = Callable[..., Pipeline]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Makes a pipeline of a function's text; each function is in a module of its own."""

    def make(function: str, *, export: dict[str, Any] | None = None, **keys: Any) -> Pipeline:
        module = f"made_source_{next(NUMBERS)}"
        (tmp_path / f"{module}.py").write_text(HEAD + textwrap.dedent(function))
        section = {
            "python": f"{module}:read",
            "key": "user_id",
            "time": "purchased_at",
            "columns": ["amount"],
            "timezone": "Europe/Berlin",
        }
        return Pipeline.model_validate(
            {
                "name": "daily_revenue",
                "source": section | keys,
                "staging": {"url": f"file://{tmp_path / 'staging'}"},
                "export": export or {},
                "target": {"url": "sqlite:///target.db", "table": "revenue"},
            }
        )

    monkeypatch.syspath_prepend(str(tmp_path))
    return make


def rows_of(export: Export) -> Counter[tuple[int, datetime, Decimal]]:
    return Counter((row["user_id"], row["purchased_at"], row["amount"]) for row in export.rows())


def expected(numbers: range) -> Counter[tuple[int, datetime, Decimal]]:
    return Counter((i % 7, START + timedelta(minutes=i), Decimal(i) / 100) for i in numbers)


BATCHES = {
    "polars": "frame(start, {0}, {1})",
    "lazy": "frame(start, {0}, {1}).lazy()",
    "reader": "frame(start, {0}, {1}).to_arrow().to_reader()",
    "decimals of 256 bits": "retyped(frame(start, {0}, {1}), amount=pa.decimal256(12, 2))",
    "decimals of 64 bits": "retyped(frame(start, {0}, {1}), amount=pa.decimal64(12, 2))",
    "zone Z": "retyped(frame(start, {0}, {1}), purchased_at=pa.timestamp('us', 'Z'))",
    "a zone that is an offset": "retyped(frame(start, {0}, {1}), purchased_at=pa.timestamp('us', '-0330'))",
    "seconds": "retyped(frame(start, {0}, {1}), purchased_at=pa.timestamp('s', 'UTC'))",
    "pyarrow table": "frame(start, {0}, {1}).to_arrow()",
    "pyarrow batch": "frame(start, {0}, {1}).to_arrow().to_batches()[0]",
}


@pytest.mark.parametrize("kind", BATCHES)
def test_every_batch_is_staged_and_proven(source: Source, kind: str) -> None:
    batches = "".join(f"    yield {BATCHES[kind].format(first, rows)}\n" for first, rows in ((0, 500), (500, 1)))
    export = run_export(source(f"def read(day, start, end):\n{batches}", export={"shards": 3}))
    assert rows_of(export) == expected(range(501))
    assert Decimal(export.manifest["sums"]["amount"]) == sum(Decimal(i) for i in range(501)) / 100
    keys = [
        set(export.table(shard)["user_id"].to_pylist())
        for shard in range(3)
        if export.manifest["shards"][shard]["rows"]
    ]
    assert sum(map(len, keys)) == 7
    assert export.manifest["source"]["dialect"] == "python"
    assert len(export.manifest["source"]["evidence"]["module_sha256"]) == 64


def test_the_function_gets_the_day_and_its_window(source: Source) -> None:
    export = run_export(
        source(
            """
            def read(day, start, end):
                assert (str(day), start.utcoffset(), end - start) == ("2026-11-14", timedelta(0), timedelta(hours=24))
                return [frame(start, 0, 1)]
            """
        )
    )
    assert rows_of(export) == expected(range(1))


def test_rows_of_other_days_are_left_out_and_counted(source: Source) -> None:
    export = run_export(
        source("def read(day, start, end):\n    yield frame(start, -5, 10)\n    yield frame(end, 0, 3)\n")
    )
    assert rows_of(export) == expected(range(5))
    assert export.manifest["source"]["evidence"]["rows_outside_window"] == "8"


def test_an_empty_first_batch_says_the_columns_of_an_empty_day(source: Source) -> None:
    export = run_export(source("def read(day, start, end):\n    yield frame(start, 0, 0)\n"))
    assert (export.manifest["rows"], len(export.manifest["columns"]), len(export.manifest["shards"])) == (0, 3, 8)


def test_no_batch_at_all_is_refused(source: Source) -> None:
    with pytest.raises(InputError, match="gave no batch"):
        run_export(source("def read(day, start, end):\n    return iter(())\n"))


@pytest.mark.parametrize("change", ["amount=pl.Decimal(12, 3)", "user_id=pl.Int32()", "more=pl.Int8()"])
def test_a_later_batch_with_other_columns_is_refused(source: Source, change: str, tmp_path: Path) -> None:
    frame = f"frame(start, 0, 0, {change})"
    settings = source(f"def read(day, start, end):\n    yield frame(start, 0, 9)\n    yield {frame}\n")
    with pytest.raises(InputError, match="changed its columns: batch 2 differs in") as caught:
        run_export(settings)
    assert change.partition("=")[0] in caught.value.what
    assert committed(tmp_path / "staging") == []


WHOLE = {
    "polars": "frame(start, 0, 40)",
    "lazy": "frame(start, 0, 40).lazy()",
    "pyarrow table": "frame(start, 0, 40).to_arrow()",
    "pyarrow batch": "frame(start, 0, 40).to_arrow().to_batches()[0]",
    "reader": "frame(start, 0, 40).to_arrow().to_reader(max_chunksize=7)",
    "list": "[frame(start, 0, 1), frame(start, 1, 39)]",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_returned_instead_of_yielded_is_the_whole_day(source: Source, kind: str) -> None:
    export = run_export(source(f"def read(day, start, end):\n    return {WHOLE[kind]}\n"))
    assert rows_of(export) == expected(range(40))


@pytest.mark.parametrize("returned", ["None", "{'user_id': [1]}", "'a'", "frame", "5"])
def test_what_is_returned_and_gives_no_batches_is_told(source: Source, returned: str) -> None:
    with pytest.raises(InputError, match="can't be called for batches: it returned a"):
        run_export(source(f"def read(day, start, end):\n    return {returned}\n"))


@pytest.mark.parametrize("last", ["frame(start, 5, 5)", "[frame(start, 5, 5)]", "(frame(start, 5, 5) for _ in '1')"])
@pytest.mark.parametrize("pages", [0, 1])
def test_what_a_generator_returns_at_its_end_is_told_and_not_lost(
    source: Source, tmp_path: Path, last: str, pages: int
) -> None:
    with pytest.raises(InputError, match="is a generator, and returned a"):
        run_export(
            source(f"""
        def read(day, start, end):
            for _ in range({pages}):
                yield frame(start, 0, 5)
            return {last}
    """)
        )
    assert not committed(tmp_path / "staging")


def test_a_generator_may_return_what_holds_no_rows(source: Source) -> None:
    made = source("def read(day, start, end):\n    yield frame(start, 0, 5)\n    return 1\n")
    assert rows_of(run_export(made)) == expected(range(5))


@pytest.mark.parametrize("ending", ["yield frame(start, 0, 1)", "return [frame(start, 0, 1)]"])
def test_an_asynchronous_function_is_told(source: Source, ending: str) -> None:
    with pytest.raises(InputError, match="can't be called for batches") as caught:
        run_export(source(f"async def read(day, start, end):\n    {ending}\n"))
    assert "async def" in caught.value.why


@pytest.mark.parametrize("adapter", ["map(page, [0, 3, 6])", "filter(None, map(page, [0, 3, 6]))"])
def test_a_stop_iteration_of_a_page_does_not_lose_the_pages_after_it(
    source: Source, tmp_path: Path, adapter: str
) -> None:
    made = source(f"""
        def read(day, start, end):
            def page(first):
                if first == 3:
                    next(iter([]))
                return frame(start, first, 3).lazy()
            return {adapter.replace("None", "lambda each: True")}
    """)
    with pytest.raises(InputError, match="raised") as told:
        run_export(made)
    assert "page raised StopIteration" in told.value.why
    assert not committed(tmp_path / "staging")


def test_an_iterator_of_the_author_s_own_ends_where_it_says(source: Source) -> None:
    made = source("""
        class Pages:
            def __init__(self, start): self.start, self.first = start, -3
            def __iter__(self): return self
            def __next__(self):
                self.first += 3
                if self.first == 6:
                    raise StopIteration
                return frame(self.start, self.first, 3)

        def read(day, start, end):
            return map(lambda each: each, Pages(start))
    """)
    assert rows_of(run_export(made)) == expected(range(6))


def test_python_s_objects_are_no_bytes(source: Source, tmp_path: Path) -> None:
    made = source("""
        def read(day, start, end):
            yield frame(start, 0, 2).with_columns(user_id=pl.Series([object(), object()], dtype=pl.Object))
    """)
    with pytest.raises(InputError, match="Arrow can't take") as told:
        run_export(made)
    assert "user_id holds Python objects" in told.value.why
    assert not committed(tmp_path / "staging")


def test_a_page_that_is_none_does_not_lose_the_pages_after_it(source: Source, tmp_path: Path) -> None:
    pages = "    yield frame(start, 0, 5)\n    yield None\n    yield frame(start, 5, 5)\n"
    with pytest.raises(InputError, match="gave a NoneType, which is no batch"):
        run_export(source(f"def read(day, start, end):\n{pages}"))
    assert committed(tmp_path / "staging") == []


INVALID = {
    "text": "pa.StringArray.from_buffers(1, pa.py_buffer(bytes(4) + b'\\2\\0\\0\\0'), pa.py_buffer(b'\\xff\\xfe'))",
    "text in a view": "pa.array([b'\\xff'], pa.binary_view()).view(pa.string_view())",
    "text in a dictionary": "pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([b'\\xff']).view(pa.string()))",
    "too many digits": "pa.array([123456]).cast(pa.decimal128(19)).view(pa.decimal128(4, 2))",
    "part of a day": "pa.Array.from_buffers(pa.date64(), 1, [None, pa.py_buffer((5).to_bytes(8, 'little'))])",
    "seconds out of range": "pa.array([2**61], pa.timestamp('s'))",
    "a time of 25 hours": "pa.array([90000], pa.time32('s'))",
}


@pytest.mark.parametrize("kind", INVALID)
def test_a_value_that_its_own_type_forbids_is_refused_by_its_column(source: Source, tmp_path: Path, kind: str) -> None:
    batch = f"frame(start, 0, 1).to_arrow().append_column('value', pa.chunked_array([{INVALID[kind]}]))"
    with pytest.raises(InputError, match=r"Column value \(.*\) holds a value that its type does not allow"):
        run_export(source(f"def read(day, start, end):\n    yield {batch}\n", columns=["amount", "value"]))
    assert committed(tmp_path / "staging") == []


def module_of(settings: Pipeline) -> str:
    assert settings.source.python is not None
    return settings.source.python.partition(":")[0]


@pytest.mark.parametrize("batch", ["[{'user_id': 1}]", "{'user_id': [1]}", "None.__class__", "7", "pl.Series([1])"])
def test_what_is_no_batch_is_refused(source: Source, batch: str) -> None:
    with pytest.raises(InputError, match="which is no batch"):
        run_export(source(f"def read(day, start, end):\n    yield {batch}\n"))


def test_a_fault_of_the_function_names_its_line(source: Source, tmp_path: Path) -> None:
    settings = source("def read(day, start, end):\n    yield frame(start, 0, 9)\n    yield frame(start, 0, 1 // 0)\n")
    with pytest.raises(InputError, match="raised") as caught:
        run_export(settings)
    assert "ZeroDivisionError" in caught.value.why
    assert f"{module_of(settings)}.py:21 in read: yield frame(start, 0, 1 // 0)" in caught.value.why
    assert committed(tmp_path / "staging") == []


@pytest.mark.parametrize(
    "fault",
    [
        "raise ConnectionResetError('by peer')",
        "raise TimeoutError",
        "raise KeyError('x') from ConnectionRefusedError()",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:9/', timeout=5)",
        "raise __import__('urllib.error').error.HTTPError('http://h', 503, 'busy', None, None)",
        "raise __import__('http.client').client.IncompleteRead(b'', 5)",
        "raise ExceptionGroup('of a group', [TimeoutError()])",
    ],
)
def test_a_service_that_is_away_is_worth_another_try(source: Source, fault: str) -> None:
    with pytest.raises(UnavailableError, match="raised"):
        run_export(source(f"def read(day, start, end):\n    yield frame(start, 0, 9)\n    {fault}\n"))


def test_an_answer_that_stays_wrong_is_not_tried_again(source: Source) -> None:
    fault = "raise __import__('urllib.error').error.HTTPError('http://h', 403, 'no', None, None)"
    with pytest.raises(InputError, match="raised"):
        run_export(source(f"def read(day, start, end):\n    yield frame(start, 0, 9)\n    {fault}\n"))


def test_of_a_fault_in_a_library_the_functions_own_line_is_shown(source: Source) -> None:
    settings = source("def read(day, start, end):\n    yield __import__('json').loads('{')\n")
    with pytest.raises(InputError, match="raised") as caught:
        run_export(settings)
    assert ".py:20 in read: yield __import__('json').loads('{')" in caught.value.why
    assert "decoder.py" not in caught.value.why


@pytest.mark.parametrize("ending", ["cancel", "fault"])
def test_the_generator_is_closed_however_the_export_ends(source: Source, ending: str, tmp_path: Path) -> None:
    cancel = Cancel()
    marker = tmp_path / "closed"
    second = "frame(start, 0, 9)" if ending == "cancel" else "frame(start, 0, 9, more=pl.Int8())"
    settings = source(
        f"""
        CANCEL = KEPT = None
        def read(day, start, end):
            global KEPT  # or the garbage collector would close it
            KEPT = batches(start)
            return KEPT

        def batches(start):
            try:
                yield frame(start, 0, 9)
                CANCEL.set() if {ending == "cancel"} else None
                yield {second}
                yield frame(start, 0, 9)
            finally:
                open({str(marker)!r}, "w").close()
        """
    )
    vars(__import__(module_of(settings)))["CANCEL"] = cancel
    with pytest.raises(InterruptedRunError if ending == "cancel" else InputError):
        run_export(settings, cancel=cancel)
    assert marker.exists()
    assert committed(tmp_path / "staging") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("read = 5\n", "is no function"),
        ("def reed(day, start, end): ...\n", "has no 'read'"),
        ("import no_such_module\n", "can't be imported"),
        ("def read(day): ...\n", "can't be called"),
        ("def read(day, start, end): return 5\n", "can't be called"),
        ("def read(day, start, end): raise SystemExit(0)\n", "can't be called"),
        ("def read(day, start, end): raise GeneratorExit\n", "can't be called"),
    ],
)
def test_a_function_that_is_none_is_told_before_anything_else(source: Source, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_export(source(text))


@pytest.mark.parametrize("ending", ["GeneratorExit", "SystemExit(0)", "KeyboardInterrupt", "StopAsyncIteration"])
def test_an_end_that_is_no_exception_is_no_end_of_the_rows(source: Source, tmp_path: Path, ending: str) -> None:
    settings = source(f"""
        def read(day, start, end):
            yield frame(start, 0, 1)
            raise {ending}
        """)
    with pytest.raises(InputError, match="raised"):
        run_export(settings)
    assert committed(tmp_path / "staging") == []


def test_what_the_function_prints_goes_to_stderr(source: Source, capfd: pytest.CaptureFixture[str]) -> None:
    run_export(
        source(
            """
            import ctypes, os
            print("at import")
            def read(day, start, end):
                print("when called")
                os.write(1, b"past Python\\n")
                ctypes.CDLL(None).puts(b"from C")
                yield frame(start, 0, 1)
                print("at the end", end="")
            """
        )
    )
    told = capfd.readouterr()
    assert told.out == ""
    for said in ("at import", "when called", "past Python", "from C", "at the end"):
        assert said in told.err


def test_columns_are_described_by_one_batch_of_yesterday(source: Source) -> None:
    settings = source("def read(day, start, end):\n    yield frame(start, 0, 1)\n    raise AssertionError\n")
    assert list(describe_source(settings)) == ["user_id", "purchased_at", "amount"]


@pytest.mark.parametrize("sleeping", [False, True])
def test_a_signal_ends_a_function_that_would_go_on_for_ever(sleeping: bool, tmp_path: Path) -> None:
    """A real exporter, a real SIGTERM: between two batches the generator is closed; asleep it is left behind."""
    begun, closed = tmp_path / "begun", tmp_path / "closed"
    (tmp_path / "endless_source.py").write_text(
        HEAD
        + f"""
import pathlib, time
def read(day, start, end):
    try:
        while True:
            yield frame(start, 0, 100)
            pathlib.Path({str(begun)!r}).touch()
            time.sleep({600 if sleeping else 0.01})
    finally:
        pathlib.Path({str(closed)!r}).touch()
"""
    )
    config = tmp_path / "pipeline.toml"
    text = pipeline_of(tmp_path).replace(
        f'parquet = "file://{tmp_path}/lake/*.parquet"', 'python = "endless_source:read"'
    )
    config.write_text(text)
    (tmp_path / "staging").mkdir()
    arguments = ("--config", config, "--day", str(DAY), "--run-id", "run-0001")
    with subprocess.Popen([warm_python(), "-m", "exporter", *arguments], stderr=subprocess.PIPE, text=True) as exporter:
        while not begun.exists():
            assert exporter.poll() is None, exporter.communicate()
            time.sleep(0.05)
        exporter.send_signal(signal.SIGTERM)
        _, told = exporter.communicate(timeout=60)
    assert exporter.returncode == ExitCode.UNAVAILABLE, told
    assert "Stopped on request" in told
    assert closed.exists() is not sleeping
    assert committed(tmp_path / "staging") == []
