"""How a program that a user uploaded is shut in: it computes, and talks to the job that started it.

The job's process is shut in already: limits, no network, no secrets. But it has files of the service before
it, and this code is a stranger's. Four walls, all put up by the process itself before it reads a line of that
code, and none can be taken down again: it reads nothing but Python's own directories and writes nothing
(Landlock); it makes no socket, starts and signals no process, changes no file (seccomp); it has no capability
and no network. Where the kernel lacks one of them, nothing is run.

Sources: Linux Documentation/userspace-api/landlock.rst and seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import site
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from coldplate.errors import ProgramNotRun
from coldplate.workers import sandbox, syscalls

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # of Landlock, on every machine
ABI = 3  # of Landlock, from Linux 6.2 on: older ones let files be cut to nothing
FILES = (1 << 15) - 1  # all rights over files that ABI 3 knows
WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
PATH_BENEATH = 1
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/lib", "/lib64", "/etc/ld.so.cache")
NOWHERE = Path("/dev/null")
DEVICES = (str(NOWHERE), "/dev/zero", "/dev/urandom")

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 38, 22, 2
CAPABILITY_VERSION_3 = 0x20080522
LOAD, JUMP_EQUAL, JUMP_ABOVE, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of BPF
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # where struct seccomp_data has them
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
X32 = 0x40000000  # numbers from here on are those of a second table of x86_64
CLONE_THREAD = 0x10000

Instruction = tuple[int, int, int, int]


def lock_down(*, forbidden: Path) -> None:
    """Shut this process in for good.

    Args:
        forbidden: A directory that must not lie in what can be read: that of the service's data.

    Raises:
        ProgramNotRun: This machine can't, or Python lies where that directory is.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in syscalls.MACHINES:
        raise ProgramNotRun(f"Uploaded programs can't be shut in on {sys.platform} ({machine}).")
    places = readable()
    inside = [place for place in places if forbidden.resolve().is_relative_to(place)]
    if inside:
        raise ProgramNotRun(f"The service's data lies within {inside[0]}, which programs have to read.")
    refuse_network()
    try:
        drop_capabilities()
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        restrict_files(places)
        restrict_calls(machine)
    except OSError as error:
        raise ProgramNotRun(
            f"The kernel of this machine can't shut uploaded programs in: {error.strerror or error}."
        ) from None


def readable() -> list[Path]:
    """Where Python and its libraries are."""
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), *sys.path]
    places = {Path(place).resolve() for place in (*found, *SYSTEM, *DEVICES) if place}
    return sorted(place for place in places if place.exists() and place != Path("/"))


def refuse_network() -> None:
    """Go on only where the zygote could leave the machine's network.

    Raises:
        ProgramNotRun: There are interfaces beside that of the machine itself.
    """
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    others = [name for line in lines if (name := line.partition(":")[0].strip()) != "lo"]
    if others:
        raise ProgramNotRun(
            f"Jobs on this machine have its network ({', '.join(others)}); `coldplate doctor` says why."
        )


def drop_capabilities() -> None:
    """Give up what root may do."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library.

    Raises:
        OSError: It reported an error.
    """
    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# --- files --------------------------------------------------------------------------------------


def restrict_files(places: Iterable[Path]) -> None:
    """Read below some places, write nowhere, execute nothing.

    Raises:
        OSError: The kernel has no Landlock, or an old one.
    """
    if call("syscall", CREATE_RULESET, None, ctypes.c_size_t(0), 1) < ABI:
        raise OSError(errno.ENOSYS, "its Landlock is older than Linux 6.2")
    handled = struct.pack("=Q", FILES)
    ruleset = call("syscall", CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    for place in places:
        rights = READ_FILE | READ_DIR if place.is_dir() else READ_FILE
        if place == NOWHERE:
            rights |= WRITE_FILE | TRUNCATE
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        call("syscall", ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
        os.close(descriptor)
    call("syscall", RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


# --- calls --------------------------------------------------------------------------------------


class Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def restrict_calls(machine: str) -> None:
    """Have the kernel refuse what `syscalls` names."""
    code = b"".join(struct.pack("=HBBI", *one) for one in program(machine, os.getpid()))
    filter = Filter(len(code) // 8, code)
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0)


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter: each instruction as code, jumps when true and false, and a number."""
    refusal = (RETURN, 0, 0, REFUSE | errno.EPERM)
    found = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, syscalls.MACHINES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        found += [(JUMP_ABOVE, 0, 1, X32), refusal]
    for number in syscalls.forbidden(machine):
        found += [(JUMP_EQUAL, 0, 1, number), refusal]
    # The C library asks for clone3 first, and where there is none for clone, whose flags can be seen.
    found += [(JUMP_EQUAL, 0, 1, syscalls.CLONE3[machine]), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    found += only_if(syscalls.CLONE[machine], (JUMP_SET, 1, 0, CLONE_THREAD))
    found += only_if(syscalls.TGKILL[machine], (JUMP_EQUAL, 1, 0, pid))
    found += only_if(syscalls.PRLIMIT[machine], (JUMP_EQUAL, 1, 0, 0))
    found += only_if(syscalls.PRCTL[machine], (JUMP_EQUAL, 0, 1, PR_SET_PDEATHSIG))
    return [*found, (RETURN, 0, 0, ALLOW)]


def only_if(number: int, test: Instruction) -> list[Instruction]:
    """Allow a call only when its first argument passes a test."""
    return [
        (JUMP_EQUAL, 0, 4, number),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        test,
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]


if __name__ == "__main__":  # `coldplate doctor` tries it out
    sandbox.isolate()
    try:
        lock_down(forbidden=Path(sys.argv[1]))
    except ProgramNotRun as error:
        sys.exit(error.message)
