"""Calls to the kernel that a program which a user uploaded may not make, with their numbers.

Source: asm/unistd_64.h and asm-generic/unistd.h of Linux 6.1; numbers never change.
"""

from __future__ import annotations

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH of each

# Each call: its name, its number on x86_64, and that on aarch64; "-" where there is none.
TABLE = """
# sockets, and messages between processes
socket 41 198, socketpair 53 199, connect 42 203, accept 43 202, accept4 288 242, bind 49 200,
listen 50 201, shmget 29 194, shmat 30 196, shmctl 31 195, msgget 68 186, msgsnd 69 189, msgrcv 70 188,
msgctl 71 187, semget 64 190, semop 65 193, semctl 66 191, semtimedop 220 192, mq_open 240 180,
mq_unlink 241 181,
# other processes: to start, to signal, to look into, to slow down
fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, kill 62 129, tkill 200 130,
rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, pidfd_open 434 434, pidfd_send_signal 424 424,
pidfd_getfd 438 438, ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271,
process_madvise 440 440, kcmp 312 272, setpriority 141 140, sched_setaffinity 203 122,
sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274, ioprio_set 251 30,
migrate_pages 256 238, move_pages 279 239, setsid 112 157, setpgid 109 154,
# what Landlock does not see of files
chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55, lchown 94 -,
fchownat 260 54, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, setxattr 188 5,
lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16,
truncate 76 45, open_by_handle_at 304 265, name_to_handle_at 303 264, inotify_init1 294 26,
fanotify_init 300 262,
# namespaces and mounts
mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268,
open_tree 428 428, move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432,
fspick 433 433, mount_setattr 442 442,
# the machine, and ways around a filter
bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, io_uring_setup 425 425,
io_uring_enter 426 426, io_uring_register 427 427, keyctl 250 219, add_key 248 217,
request_key 249 218, init_module 175 105, finit_module 313 273, delete_module 176 106,
kexec_load 246 104, kexec_file_load 320 294, reboot 169 142, swapon 167 224, swapoff 168 225,
settimeofday 164 170, adjtimex 159 171, clock_settime 227 112, clock_adjtime 305 266,
sethostname 170 161, setdomainname 171 162, acct 163 89, quotactl 179 60, iopl 172 -, ioperm 173 -,
personality 135 92, syslog 103 116, vhangup 153 58,
"""

# Calls of which some are needed: a thread is a clone, and a thread's own signals are its own.
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = {"x86_64": 435, "aarch64": 435}
TGKILL = {"x86_64": 234, "aarch64": 131}
PRLIMIT = {"x86_64": 302, "aarch64": 261}
PRCTL = {"x86_64": 157, "aarch64": 167}


def forbidden(machine: str) -> list[int]:
    """Numbers of the calls that are forbidden on a kind of machine.

    >>> forbidden("x86_64")[:3]
    [41, 53, 42]
    """
    column = list(MACHINES).index(machine)
    lines = [line for line in TABLE.splitlines() if not line.startswith("#")]
    rows = [entry.split() for line in lines for entry in line.split(",") if entry.strip()]
    return [int(numbers[column]) for _, *numbers in rows if numbers[column] != "-"]
