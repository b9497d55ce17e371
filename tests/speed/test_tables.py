import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = "# Title\n\n<!-- speed/results/a.json -->\nold\n<!-- end -->\n\nText | with a bar.\n"


@pytest.fixture
def result():
    return {
        "machine": {"cpu": "Z80", "cores": 2, "memory_gib": 24.0, "instructions": "AVX2", "bf16": False, "amx": False,
                    "gpu": None, "os": "Linux"},
        "commit": "0123456789abcdef", "dirty": False, "date": "2026-11-27T09:22:27+00:00",
        "command": "python speed/a.py", "versions": {},
        "table": {"head": ["x", "y"], "rows": [["1", "2"]]}, "figures": None,
    }  # fmt: skip


@pytest.fixture
def root(tmp_path, result):
    (tmp_path / "speed/results").mkdir(parents=True)
    (tmp_path / "speed/results/a.json").write_text(json.dumps(result))
    return tmp_path


def test_update_writes_the_table_of_a_result(root):
    from tables import update

    text = update(PAGE, root)
    assert text == (
        "# Title\n\n<!-- speed/results/a.json -->\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\n"
        "Measured: `python speed/a.py`, 2026-11-27, commit 0123456, Z80, AVX2, no bf16, 2 cores, 24.0 GiB.\n\n"
        "<!-- end -->\n\nText | with a bar.\n"
    )
    assert update(text, root) == text


def test_update_shows_that_a_page_is_stale(root, result):
    from tables import update

    text = update(PAGE, root)
    result["table"]["rows"][0][1] = "3"
    (root / "speed/results/a.json").write_text(json.dumps(result))
    assert update(text, root) == text.replace("| 1 | 2 |", "| 1 | 3 |") != text


@pytest.mark.parametrize("text", [PAGE.replace("<!-- end -->", ""), PAGE.replace("<!-- end -->", "") + PAGE])
def test_update_refuses_a_table_without_an_end(root, text):
    from tables import update

    with pytest.raises(ValueError, match="no <!-- end -->"):
        update(text, root)


def test_update_names_a_missing_result(root):
    from tables import update

    with pytest.raises(ValueError, match=r"speed/results/b\.json does not exist"):
        update(PAGE.replace("a.json", "b.json"), root)


def test_provenance_names_changes_and_graphics_card(result):
    from tables import provenance

    result |= {"dirty": True, "command": None}
    result["machine"] |= {"gpu": "H100", "bf16": True}
    expected = "Measured: 2026-11-27, commit 0123456 with changes, Z80, AVX2, bf16, 2 cores, 24.0 GiB, H100."
    assert provenance(result) == expected


def test_provenance_outside_of_git(result):
    from tables import provenance

    assert ", no commit, " in provenance(result | {"commit": None, "dirty": None})


def test_main_names_the_page_of_an_error(tmp_path, monkeypatch):
    from tables import main

    page = tmp_path / "page.md"
    page.write_text("<!-- speed/results/no-such.json -->\n<!-- end -->\n")
    monkeypatch.setattr(sys, "argv", ["tables.py", str(page)])
    with pytest.raises(SystemExit, match=r"page\.md: speed/results/no-such\.json does not exist"):
        main()


def test_main_rewrites_a_page_in_place(tmp_path, monkeypatch):
    from tables import main

    page = tmp_path / "page.md"
    page.write_text("<!-- speed/results/train.json -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(sys, "argv", ["tables.py", str(page)])
    main()
    (row, *_) = json.loads((ROOT / "speed/results/train.json").read_text())["table"]["rows"]
    text = page.read_text()
    assert "old" not in text
    assert "| " + " | ".join(row) + " |" in text
    assert text.endswith("<!-- end -->\nafter\n")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_are_up_to_date_with_results(page):
    from tables import update

    assert update(page.read_text()) == page.read_text(), f"run: python speed/tables.py docs/{page.name}"


def test_all_tables_of_the_page_on_speed_are_results():
    from tables import BLOCK

    text = (ROOT / "docs/speed.md").read_text()
    names = [name for name, _ in BLOCK.findall(text)]
    assert names
    assert not re.findall(r"^\|.*", BLOCK.sub("", text), flags=re.MULTILINE)


@pytest.mark.parametrize("file", sorted((ROOT / "speed/results").glob("*.json")), ids=lambda file: file.stem)
def test_results_are_complete_and_name_no_private_path(file):
    result = json.loads(file.read_text())
    assert {"machine", "commit", "dirty", "date", "command", "versions", "table", "figures"} <= set(result)
    head, rows = result["table"]["head"], result["table"]["rows"]
    assert rows
    assert all(len(row) == len(head) for row in rows)
    assert result["figures"] is not None or result["note"]
    assert "/" not in (result["command"] or "").replace("python speed/", "")
