"""The machine: device, memory, processes, installed packages."""

from .device import cpu_flags, cpu_has_bf16, find_device, has_bf16, is_known_cpu, local_device
from .memory import is_out_of_memory, peak_memory, retain_freed_memory
from .packages import import_backend, is_installed, require_package
from .processes import is_main_process, local_rank, local_world_size, wait_for_all_processes, world_size
from .sharding import Shard

__all__ = [
    "Shard", "cpu_flags", "cpu_has_bf16", "find_device", "has_bf16", "import_backend", "is_installed", "is_known_cpu",
    "is_main_process", "is_out_of_memory", "local_device", "local_rank", "local_world_size", "peak_memory",
    "require_package", "retain_freed_memory", "wait_for_all_processes", "world_size",
]  # fmt: skip
