"""Fetching, from a hub of our own on this machine and from none."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

CONTENT = b"trunk " * 50_000


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the Hugging Face hub does for one file."""

    content = CONTENT

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        if not self.path.endswith("/facebook/sam2-hiera-tiny/resolve/main/sam2_hiera_tiny.pt"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", hashlib.sha1(self.content).hexdigest())
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if body:
            self.wfile.write(self.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def fetch(tmp_path):
    """Run `weights fetch` in a process of its own, with an empty cache, against the endpoint given."""

    def run(endpoint, *arguments):
        env = os.environ | {
            "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "no_proxy": "*",
        }  # fmt: skip
        command = [sys.executable, "-m", "sam2unet", "weights", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_fetch_downloads_pins_and_verifies(fetch, hub, tmp_path):
    first = fetch(hub, "fetch", "sam2_hiera_tiny")
    assert first.returncode == 0, first.stderr
    path = first.stdout.strip()
    with open(path, "rb") as file:  # noqa: PTH123
        assert file.read() == CONTENT
    pins = json.loads((tmp_path / "cache/sam2unet/pins.json").read_text())
    assert pins == {"sam2_hiera_tiny": hashlib.sha256(CONTENT).hexdigest()}
    assert fetch("http://127.0.0.1:1", "fetch", "sam2_hiera_tiny").stdout.strip() == path  # from the cache, offline
    assert path in fetch("http://127.0.0.1:1", "list").stdout
    with open(path, "ab") as file:  # noqa: PTH123
        file.write(b"!")
    changed = fetch(hub, "fetch", "sam2_hiera_tiny")
    assert changed.returncode == 2
    assert pins["sam2_hiera_tiny"] in changed.stderr
    assert path in changed.stderr


def test_offline_is_one_sentence_that_says_how_to_pass_a_file(fetch):
    result = fetch("http://127.0.0.1:1", "fetch", "sam2_hiera_tiny")
    assert result.returncode == 2
    assert result.stderr.strip().count("\n") == 0
    assert "--trunk-weights FILE" in result.stderr
    assert "sam2_hiera_tiny.pt" in result.stderr


def test_unknown_name_lists_the_known(fetch):
    result = fetch("http://127.0.0.1:1", "fetch", "resnet")
    assert result.returncode == 2
    assert "sam2.1_hiera_large" in result.stderr
