"""storage.py - file systems that can be filled, frozen and broken

Each is a small file system of its own: ext4 and others in a file on a loop
device, or a tmpfs.  Unmounted, and thawed before, when its Lab closes.
"""
import contextlib
import fcntl
import os
import pathlib
import struct
import subprocess

from .lab import run
from .tap import wait_for

MAKERS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}

# linux/fs/ext4/ext4.h: _IOR('X', 125, __u32)
EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_WITHOUT_LOG = 2


class FileSystem:
    def __init__(self, lab, name, kind="ext4", size="64M", inodes=None, at=None):
        """Mounted at a new directory of the lab, or at an existing one."""
        self.path = at or lab.subdir(name)
        self.kind = kind
        self.frozen = False
        self._allocation = None    # where a btrfs tells what it has given to what
        if kind == "tmpfs":
            options = f"size={size},mode=755" + (f",nr_inodes={inodes}" if inodes else "")
            run(["mount", "-t", "tmpfs", "-o", options, "holdfast-test", self.path])
        else:
            self.image = lab.dir / f"{name}.img"
            run(["truncate", "-s", size, self.image])
            more = ["-N", str(inodes)] if inodes else []
            run([*MAKERS[kind], *more, self.image])
            run(["mount", "-o", self.options(), self.image, self.path])
        lab.defer(self.unmount)

    def options(self):
        return "loop,errors=remount-ro" if self.kind == "ext4" else "loop"

    def break_read_only(self):
        """An error makes an ext4 read-only, as a bad disk does."""
        device = os.path.basename(run(["findmnt", "-n", "-o", "SOURCE", self.path]).stdout.decode().strip())
        pathlib.Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")

    def shut_down(self):
        """Every call that would reach the disk fails with EIO from now on, until it is mounted again."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("=I", SHUTDOWN_WITHOUT_LOG))
        finally:
            os.close(fd)

    def limit_quota(self, octets=None):
        """Lets the files of a btrfs have so many octets in all, whatever is free; none: lifts the limit."""
        if octets is not None:
            run(["btrfs", "quota", "enable", self.path])
            run(["btrfs", "quota", "rescan", "-w", self.path])
        run(["btrfs", "qgroup", "limit", str(octets) if octets is not None else "none", self.path])

    def remount(self):
        """Unmounts, checks and mounts again, as an operator would: fails while anything is open on it."""
        self.unmount()
        run(["fsck.ext4", "-f", "-y", self.image], check=False)
        run(["mount", "-o", self.options(), self.image, self.path])

    def unmount(self):
        self.thaw()
        if os.path.ismount(self.path):
            wait_for(self._try_unmount, 15, f"{self.path} to be free for umount")

    def _try_unmount(self):
        return subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode == 0

    @contextlib.contextmanager
    def hanging(self):
        """Every write and sync hangs within the block.  Nothing that hangs there can be killed before its end."""
        run(["fsfreeze", "--freeze", self.path])
        self.frozen = True
        try:
            yield
        finally:
            self.thaw()

    def thaw(self):
        if self.frozen:
            run(["fsfreeze", "--unfreeze", self.path])
            self.frozen = False

    def free_bytes(self):
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize

    def own_bytes(self):
        """What the file system has taken for itself, where that comes in pieces that count: btrfs
        takes tens of MiB at once for its metadata, whatever is written."""
        if self.kind != "btrfs":
            return 0
        if self._allocation is None:
            name = run(["findmnt", "-n", "-o", "UUID", self.path]).stdout.decode().strip()
            self._allocation = pathlib.Path("/sys/fs/btrfs") / name / "allocation"
        return sum(int((self._allocation / kind / "disk_total").read_text()) for kind in ("metadata", "system"))

    def fill(self, leave=0):
        """Takes all free space but about leave octets."""
        for size in (1 << 20, 1 << 16, 1 << 12):
            # opened anew, because xfs gives back at close what it took ahead of a file that grows
            with open(self._ballast(), "ab", buffering=0) as out:
                self._fill_by(out, size, leave)

    def _fill_by(self, out, size, leave):
        block = b"\xff" * size
        while self.free_bytes() >= leave + size:
            try:
                out.write(block)
                os.fsync(out.fileno())
            except OSError:
                return
            if self.kind == "btrfs":  # counts what is taken only when it commits
                run(["sync", "-f", self.path])

    def give_back(self, octets):
        """Gives back a part of what fill() took."""
        ballast = self._ballast()
        os.truncate(ballast, max(0, ballast.stat().st_size - octets))
        run(["sync", "-f", self.path])

    def take_inodes(self, leave=0):
        """Takes all free inodes but leave."""
        place = self.path / "inodes"
        place.mkdir(exist_ok=True)
        taken = len(list(place.iterdir()))
        count = os.statvfs(self.path).f_ffree - leave
        for number in range(taken, taken + count):
            try:
                (place / str(number)).touch()
            except OSError:
                return

    def _ballast(self):
        return self.path / "ballast"

    def release(self):
        """Gives back what fill() and take_inodes() took."""
        self._ballast().unlink(missing_ok=True)
        place = self.path / "inodes"
        if place.exists():
            for name in place.iterdir():
                name.unlink()
            place.rmdir()


def tree(path):
    """Every file below a directory with its octets: what a start that failed must leave as it was."""
    return {str(name.relative_to(path)): name.read_bytes()
            for name in sorted(pathlib.Path(path).rglob("*")) if name.is_file()}
