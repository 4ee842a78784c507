"""How a job's process is shut in: it dies with its parent, has limits, no network and no secrets.

All but `environment` act on the calling process: they are for the zygote and its children.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from coldplate.workers.pool import Limits

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
CAPABILITY_VERSION_3 = 0x20080522

CPU_GRACE_S = 5  # between SIGXCPU, which ends a child, and the SIGKILL for one that ignored it
MAX_OPEN_FILES = 64
MEMORY_RESERVE = 64 << 20  # kept back, so that a job out of memory can still say so
NICENESS = 10  # the API keeps its throughput while all slots compute
OOM_SCORE = 1000  # when the machine itself is out of memory, jobs go first

# An allow-list: what is not named here (COLDPLATE_*, QISKIT_*, cloud credentials) stays in the office.
KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
        *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),
    }
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)


# --- the environment ----------------------------------------------------------------------------


def environment(source: Mapping[str, str], *, threads: int) -> dict[str, str]:
    """The environment of the zygote, and so of every job: nothing secret, and the number of threads.

    The hash seed is fixed, because a result may depend on the order of a set, and the same job with
    the same seed has to give the same bytes after a restart of the server, too.
    """
    kept = {name: value for name, value in source.items() if name in KEPT or name.startswith("LC_")}
    return kept | thread_variables(threads) | {"PYTHONHASHSEED": "0", "QISKIT_PARALLEL": "FALSE"}


def thread_variables(threads: int) -> dict[str, str]:
    """What OpenMP and BLAS read when they are loaded, and Rayon when it first computes."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


# --- once, in the zygote ------------------------------------------------------------------------


def die_with(parent: int) -> None:
    """Be killed by the kernel as soon as `parent` dies; now, if it is dead already.

    The kernel watches the *thread* that forked this process, so that thread has to live on.
    """
    with contextlib.suppress(OSError):
        _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what dying children leave behind, so that it can be killed and reaped."""
    with contextlib.suppress(OSError):
        _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def isolate() -> dict[str, str]:
    """Leave the network and the way to new privileges behind, as far as the kernel allows.

    Needs a process with one thread. It does not fail; it tells what is left: "none" is the best answer.
    """
    return {
        "network": _attempt(_leave_network, otherwise="the machine's"),
        "new privileges": _attempt(_refuse_privileges, otherwise="possible"),
    }


def _attempt(act: Callable[[], None], *, otherwise: str) -> str:
    """'none' if `act` worked, else `otherwise` and why."""
    try:
        act()
    except OSError as error:
        return f"{otherwise} ({error.strerror or error})"
    return "none"


def _leave_network() -> None:
    """Move to a network namespace of our own that has no interface that is up.

    Root may just do so; anyone else needs a user namespace as well, and gives up the capabilities
    that come with it.
    """
    if os.geteuid() == 0:
        _call("unshare", CLONE_NEWNET)
        return
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
    with contextlib.suppress(OSError):  # only for looks: who we are called inside
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="utf-8")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _refuse_privileges() -> None:
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _call(name: str, *arguments: int | ctypes.Array[ctypes.c_uint32]) -> None:
    """Call a function of the C library.

    Raises:
        OSError: It reported an error, or this system does not have it.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise OSError(f"this system has no {name}")
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# --- in every child -----------------------------------------------------------------------------


def shut_in() -> None:
    """What is the same for every job: let this process yield to others, and keep no core file of it.

    There is no limit on the number of processes: the kernel counts those of the user, not ours.
    """
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="utf-8")
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)


def confine(limits: Limits) -> None:
    """Put a job's limits on this process; what it took up before is not the job's."""
    threads = thread_variables(limits.threads)
    if any(os.environ.get(name) != value for name, value in threads.items()):
        os.environ.update(threads)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = math.ceil(limits.cpu_s + used.ru_utime + used.ru_stime)
    _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + CPU_GRACE_S)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    mapped = mapped_bytes()
    if mapped is not None:
        allowed = mapped + limits.memory_bytes
        _limit(resource.RLIMIT_AS, allowed, allowed + MEMORY_RESERVE)


def mapped_bytes() -> int | None:
    """Address space that this process has mapped already; None where the kernel does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]
    except OSError:
        return None
    return int(pages) * resource.getpagesize()


def use_reserve() -> None:
    """Give the process the memory that was kept back, to tell how it ended."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    _limit(resource.RLIMIT_AS, hard)


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    """Lower one limit; a lower one that is there already stays."""
    _, ceiling = resource.getrlimit(what)
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, wanted = min(soft, ceiling), min(wanted, ceiling)
    resource.setrlimit(what, (soft, wanted))
