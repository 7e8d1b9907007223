"""Stands in for `systemctl` where the manual uses it: runs one unit, without being systemd.

It obeys what a unit says about its command, its environment, its credentials, its state directory
and how it is stopped. The system calls that the unit forbids, and memory that is writable and
executable, are really forbidden where this machine can do that.
"""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

UNITS = Path(os.environ["STAND_IN_UNITS"])
STATE = Path(os.environ["STAND_IN_STATE"])
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 38, 65, 1
SCMP_ALLOW, SCMP_EPERM = 0x7FFF0000, 0x00050001


class Unit:
    """A service's file, and the process that runs it."""

    def __init__(self, name: str) -> None:
        self.folder = UNITS / f"{name}.run"
        self.values: dict[str, list[str]] = {}
        for line in (UNITS / f"{name}.service").read_text().splitlines():
            if line and line[0] not in "#[":
                key, _, value = line.partition("=")
                self.values.setdefault(key, []).append(value)

    def last(self, key: str) -> str:
        return self.values[key][-1]

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (STATE / self.last("StateDirectory")).mkdir(
            mode=int(self.last("StateDirectoryMode"), 8), parents=True, exist_ok=True
        )
        with (self.folder / "journal").open("a") as journal:
            process = subprocess.Popen(
                shlex.split(self.last("ExecStart")),
                env=self._environment(),
                cwd=self.last("WorkingDirectory"),
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                umask=int(self.last("UMask"), 8),
                start_new_session=True,
                preexec_fn=self._confine,  # noqa: PLW1509  # there is one thread
            )
        (self.folder / "pid").write_text(str(process.pid))
        time.sleep(0.3)
        if process.poll() is not None:
            sys.exit((self.folder / "journal").read_text())

    def _environment(self) -> dict[str, str]:
        """Nothing of the caller's but what the stand-in's machine needs."""
        given = {k: os.environ[k] for k in ("PATH", "KASKAD_PORT")}
        for source in self.values["LoadCredential"]:
            name, _, path = source.partition(":")
            (self.folder / name).write_bytes(Path(path).read_bytes())
        for line in self.values["Environment"]:
            key, _, value = line.replace("%d", str(self.folder)).partition("=")
            given[key] = value
        return given

    def _confine(self) -> None:
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if self.last("MemoryDenyWriteExecute") == "yes":
            libc.prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
        forbid(self.values["SystemCallFilter"])

    def stop(self) -> None:
        pid = int((self.folder / "pid").read_text())
        os.kill(pid, getattr(signal, self.last("KillSignal")))
        ends = time.monotonic() + int(self.last("TimeoutStopSec"))
        while time.monotonic() < ends:
            if not alive(pid):
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        sys.exit("it did not stop in time")


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and is not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def calls(group: str) -> Iterator[str]:
    """The system calls of a group, as systemd knows it."""
    command = ["systemd-analyze", "syscall-filter", group]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in map(str.strip, listed.splitlines()[1:]):
        if line.startswith("@"):
            yield from calls(line)
        elif line and line[0] != "#":
            yield line


def forbid(filters: list[str]) -> None:
    """Let only the filter's calls through, where systemd and libseccomp are there to say which."""
    try:
        seccomp = ctypes.CDLL("libseccomp.so.2")
        allowed = set(calls(filters[0])) | {"execve"}
        for taken in filters[1:]:
            allowed -= set(calls(taken.removeprefix("~")))
    except (OSError, subprocess.CalledProcessError):
        return
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_EPERM))
    for name in allowed:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(context, SCMP_ALLOW, number, 0)
    if seccomp.seccomp_load(context) != 0:
        raise OSError("the filter cannot be loaded")


def main(command: str, *rest: str) -> None:
    names = [name for name in rest if not name.startswith("-")]
    match command:
        case "daemon-reload":
            return
        case "enable" | "start":
            Unit(*names).start()
        case "stop":
            Unit(*names).stop()
        case "restart":
            Unit(*names).stop()
            Unit(*names).start()
        case _:
            sys.exit(f"the stand-in knows no {command}")


if __name__ == "__main__":
    main(*sys.argv[1:])
