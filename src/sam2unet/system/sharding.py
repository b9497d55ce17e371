"""Splitting work by name between machines and processes."""

import zlib
from dataclasses import dataclass

from .processes import rank, world_size


@dataclass(frozen=True)
class Shard:
    """One of several parts of the work; which part a name belongs to depends on the name and the count alone."""

    index: int = 1
    """From 1 to `count`."""
    count: int = 1
    """Number of shards."""

    def holds(self, name: str) -> bool:
        """True if the work called `name` belongs to this shard (CRC-32 modulo the count)."""
        return zlib.crc32(name.encode(errors="surrogateescape")) % self.count == self.index - 1

    def for_this_process(self) -> "Shard":
        """Return this process's part of the shard, which the processes of torchrun divide among themselves."""
        return Shard((self.index - 1) * world_size() + rank() + 1, self.count * world_size())

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
