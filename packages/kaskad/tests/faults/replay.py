"""What a recorded disk holds once the process was killed, or the power went, at any moment."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from packages.kaskad.tests.faults.disk import (
    STORE,
    Cut,
    Event,
    Made,
    Removed,
    Synced,
    Told,
    Written,
)

Image = dict[str, bytes]


class _Content:
    """A file: what is surely on the disk, and what was done to it since."""

    def __init__(self, durable: bytes | None = None) -> None:
        self.durable = durable
        self.pending: list[Written | Cut] = []

    def now(self) -> bytes:
        return applied(self.durable or b"", self.pending)

    def sync(self) -> None:
        self.durable, self.pending = self.now(), []


class Replay:
    """The disk as it was after so many events, and what each end would have left of it."""

    def __init__(self, events: Sequence[Event], found: Image | None = None) -> None:
        self.events = events
        self.at = 0
        self._files = {name: _Content(data) for name, data in (found or {}).items()}
        self._gone: dict[str, _Content] = {}

    def go(self, to: int) -> Self:
        """Play the events up to, not including, that one."""
        for event in self.events[self.at : to]:
            self._play(event)
        self.at = to
        return self

    def _play(self, event: Event) -> None:
        match event:
            case Written(file=name) | Cut(file=name):
                self._files.setdefault(name, _Content()).pending.append(event)
            case Made(file=name):
                self._files.setdefault(name, _Content())
            case Removed(file=name):
                self._gone[name] = self._files.pop(name)
            case Synced(file=name, folder=folder):
                if name in self._files:
                    self._files[name].sync()
                if folder:
                    self._gone.clear()
            case Told():
                pass

    def killed(self) -> Image:
        """The process was killed: the system still writes what it was given."""
        return {name: content.now() for name, content in self._files.items()}

    def unplugged(self, chance: random.Random) -> Image:
        """The power went: of what was not synced some is there, in parts, in any order."""
        lose = chance.choice(WAYS)
        sector = chance.choice((512, 4096))
        image = {}
        for name, content in self._files.items():
            if content.durable is None and chance.random() < 0.5:
                continue  # its name was never synced
            kept = list(lose(content.pending, sector, chance))
            image[name] = applied(content.durable or b"", kept)
        for name, content in self._gone.items():
            if name not in image and content.durable is not None and chance.random() < 0.5:
                image[name] = content.durable  # its removal was never synced
        return image


def applied(data: bytes, changes: Sequence[Written | Cut]) -> bytes:
    """A file's content after these changes; what was never written is zero."""
    if not changes:
        return data
    content = bytearray(data)
    for change in changes:
        match change:
            case Written(offset=offset, data=new):
                content.extend(bytes(max(0, offset - len(content))))
                content[offset : offset + len(new)] = new
            case Cut(size=size):
                content.extend(bytes(max(0, size - len(content))))
                del content[size:]
    return bytes(content)


Changes = Sequence[Written | Cut]


def nothing(_: Changes, __: int, ___: random.Random) -> Iterator[Written | Cut]:
    """Everything that was not synced is lost."""
    return iter(())


def beginning(changes: Changes, _: int, chance: random.Random) -> Iterator[Written | Cut]:
    """The first so many are there."""
    return iter(changes[: chance.randint(0, len(changes))])


def some(changes: Changes, _: int, chance: random.Random) -> Iterator[Written | Cut]:
    """Later ones are there and earlier ones are not."""
    return (change for change in changes if chance.random() < 0.5)


def torn(changes: Changes, sector: int, chance: random.Random) -> Iterator[Written | Cut]:
    """Of each write some sectors are there."""
    for change in changes:
        match change:
            case Cut():
                if chance.random() < 0.5:
                    yield change
            case Written(file=file, offset=offset, data=data):
                at = 0
                while at < len(data):
                    size = min(sector - (offset + at) % sector, len(data) - at)
                    if chance.random() < 0.5:
                        yield Written(file, offset + at, data[at : at + size])
                    at += size


Lose = Callable[[Changes, int, random.Random], Iterator[Written | Cut]]
WAYS: tuple[Lose, ...] = (nothing, beginning, some, torn)


def laid_out(image: Image, folder: Path) -> Path:
    """Write an image to a new folder; its session store's file, whether it is there or not."""
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    return folder / STORE
