"""Downloading trunks from a stand-in for the hub on this machine, and without a hub."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sam2unet.errors import InputError
from sam2unet.weights import HubUnreachable, fetch

CONTENT = b"trunk " * 50_000
NO_HUB = "http://127.0.0.1:1"
"""An address where nothing answers."""


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


def run_weights(endpoint, folder, *arguments):
    """Run `sam2unet weights` in a process of its own, with its caches in a folder, against an endpoint."""
    env = os.environ | {
        "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "no_proxy": "*",
    }  # fmt: skip
    command = [sys.executable, "-m", "sam2unet", "weights", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def caches(hub, tmp_path_factory):
    """A folder of caches into which a trunk was downloaded; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("caches")
    done = run_weights(hub, folder, "fetch", "sam2_hiera_tiny")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == CONTENT
    return folder


def cached_file(folder):
    (file,) = folder.rglob("sam2_hiera_tiny.pt")
    return file


def test_fetch_downloads_a_file_and_pins_it(caches):
    assert cached_file(caches).read_bytes() == CONTENT
    pins = json.loads((caches / "cache/sam2unet/pins.json").read_text())
    assert pins == {"sam2_hiera_tiny": hashlib.sha256(CONTENT).hexdigest()}


def test_fetch_takes_a_cached_file_without_a_connection(caches):
    done = run_weights(NO_HUB, caches, "fetch", "sam2_hiera_tiny")
    assert done.stdout.strip() == str(cached_file(caches))


def test_list_shows_cached_files(caches):
    assert str(cached_file(caches)) in run_weights(NO_HUB, caches, "list").stdout


def test_fetch_refuses_a_file_that_differs_from_the_pinned_one(caches, hub, tmp_path):
    shutil.copytree(caches, tmp_path / "copy", symlinks=True)
    file = cached_file(tmp_path / "copy")
    with file.open("ab") as opened:
        opened.write(b"!")
    refused = run_weights(hub, tmp_path / "copy", "fetch", "sam2_hiera_tiny")
    assert refused.returncode == 2
    assert hashlib.sha256(CONTENT).hexdigest() in refused.stderr
    assert str(file) in refused.stderr


def test_fetch_without_a_connection_says_how_to_pass_a_file(tmp_path):
    refused = run_weights(NO_HUB, tmp_path, "fetch", "sam2_hiera_tiny")
    assert refused.returncode == 2
    assert refused.stderr.strip().count("\n") == 0
    assert "download sam2_hiera_tiny.pt of facebook/sam2-hiera-tiny on another machine" in refused.stderr


def test_fetch_names_the_parameter_that_takes_the_file(monkeypatch):
    def refuse(url):
        raise ConnectionError("refused")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)
    with pytest.raises(HubUnreachable, match=r"did not deliver it \(refused\)") as caught:
        fetch("sam2_hiera_small")
    assert caught.value.parameters == ("trunk_weights",)


def test_fetch_lists_the_known_trunks_for_an_unknown_name():
    with pytest.raises(InputError, match=r"unknown trunk weights 'resnet'.* sam2.1_hiera_large"):
        fetch("resnet")
