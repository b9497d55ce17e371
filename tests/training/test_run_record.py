"""The run record: reading, and the changes that a resumed run accepts or refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from sam2unet.errors import InputError
from sam2unet.training.run_record import RunRecord, changes_since, read_run_record, write_run_record

START = RunRecord(
    data="/data", trunk_file="/trunk.safetensors", frozen="0a", processes=1, pairs={"a": "1+2", "b": "3+4"},
    threads=2, torch="2.13", device="cpu", precision="32-true", recipe={"epochs": 3},
)  # fmt: skip
RUN = Path("run")


def test_read_run_record_reads_what_was_written(tmp_path):
    record = replace(START, finished={"metrics": {"epoch": 1}, "history": []})
    write_run_record(tmp_path, record)
    assert read_run_record(tmp_path) == record


def test_read_run_record_is_none_without_a_file(tmp_path):
    assert read_run_record(tmp_path) is None


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"data": "x", "recipe": 1}'])
def test_a_damaged_record_is_an_error_that_names_the_file(content, tmp_path):
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume/run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json: damaged"):
        read_run_record(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"recipe": {"epochs": 4}}, "recipe.yaml: epochs differs"), ({"pairs": {"a": "1+2"}}, r"other pairs .*\(b\)"),
     ({"pairs": {"b": "3+4", "a": "1+2"}}, "split differently"), ({"pairs": {"a": "1+2", "b": "3+5"}}, r"\(b\)"),
     ({"frozen": "0b"}, "frozen trunk differs"), ({"processes": 2}, "number of processes is 2, but was 1"),
     ({"loss": "mine"}, "loss is mine, but was the default"), ({"augment": "mine"}, "is mine, but was none")],
)  # fmt: skip
def test_changes_since_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        changes_since(START, replace(START, **changes), RUN)


def test_changes_since_describes_what_only_costs_the_last_bits():
    assert changes_since(START, replace(START, data="/moved", trunk_file="/moved.safetensors"), RUN) == []
    changes = changes_since(START, replace(START, threads=4, torch="2.14"), RUN)
    assert changes == [
        "threads is 4, but was 2 when the run started", "torch is 2.14, but was 2.13 when the run started"
    ]  # fmt: skip
