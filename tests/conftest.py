"""What the rooms' tests share: the parity files, a network of few blocks, sample scenes, and the command."""

import json
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sam2unet import commands, save_model
from sam2unet.network import HIERA_CONFIGS, SAM2UNet

from . import pico as pico_trunk

PARITY = Path(__file__).parent / "parity"
sys.path.insert(0, str(PARITY))
from fill import fill  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell lets what it starts with `&` ignore Ctrl-C, and so do the processes that tests start and interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def pico() -> Iterator[None]:
    """A trunk "pico" beside the official ones."""
    pico_trunk.register()
    torch.set_num_threads(1)  # pico networks are slower on more
    yield
    del HIERA_CONFIGS["pico"]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A user's cache of the tests' own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    with np.load(PARITY / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def upstream_state() -> Callable[[str], dict[str, torch.Tensor]]:
    """The filled state dict of the authors' network."""

    def state(trunk: str) -> dict[str, torch.Tensor]:
        shapes = json.loads((PARITY / f"state_dict_{trunk}.json").read_text())
        return {name: torch.from_numpy(np.asarray(fill(name, tuple(shape)))) for name, shape in shapes.items()}

    return state


AT_END = "import atexit; atexit.register(lambda: print(open('/proc/self/status').read()))\n"


@pytest.fixture(scope="session")
def peak_of() -> Callable[..., tuple[str, int]]:
    """Runs code in a process of its own: what it prints, and its peak of memory in bytes, as Linux tells it.

    Not by `getrusage`, which begins with the peak of the process that starts it.
    """

    def run(code: str, *words: Any) -> tuple[str, int]:
        command = [sys.executable, "-c", AT_END + code, *map(str, words)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return said.partition("Name:")[0], 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", said)[1])

    return run


@pytest.fixture
def network() -> Callable[..., SAM2UNet]:
    """A small network with weights that make its logits vary."""

    def build(classes: int = 1, seed: int = 0, detail: int = 0) -> SAM2UNet:
        torch.manual_seed(seed)
        model = SAM2UNet("pico", classes, detail)
        model.card = replace(model.card, size=(64, 64))
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        return model.eval()

    return build


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded with the test's own name."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture
def photo(rng: np.random.Generator) -> Callable[..., NDArray[np.uint8]]:
    """Draws an image of noise, (height, width, 3), a new one at each call."""
    return lambda height=50, width=70: rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def model_file(network: Callable[..., SAM2UNet], tmp_path: Path) -> Path:
    """The file of a small network."""
    save_model(network(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with 8 sample scenes and test/ with 3, 64 pixels a side."""
    from sam2unet.data import write_scenes

    folder = tmp_path_factory.mktemp("scenes") / "data"
    write_scenes(folder, train=8, test=3, side=64)
    return folder


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command in this process."""

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sam2unet", *map(str, arguments)])
        try:
            commands.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on the scenes."""
    from sam2unet import train

    out = tmp_path_factory.mktemp("run") / "run"
    train(
        scenes, "general", out, trunk="pico", trunk_weights="none", size=64, epochs=2, batch_size=3, workers=0,
        device="cpu",
    )  # fmt: skip
    return out
