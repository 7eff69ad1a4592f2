"""What the look at the free space does not tell: quotas, limits of the process, a disk that fails, a spool that is
not the filter's.  Each is answered 4xx with its cause, and over once the cause is gone, without a restart (P1, P2)."""
import os
import pwd
import re
import shutil

from ..holdfast import USER
from ..messages import plain
from ..storage import FileSystem
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .common import LARGE, SMALL, cured, on_file_system, refusal_of, refused, refused_at_end, taken

USAGE_OR_CONFIGURATION = 2
START_FAILED, JOURNAL_DAMAGED = "HF-105", "HF-305"
DESCRIPTORS_STOP, DESCRIPTORS_OVER = "HF-404", "HF-405"
JOURNAL_AWAY, JOURNAL_BACK = "HF-306", "HF-307"


# ---- quotas and limits ----

@scenario("P2: the quota of a btrfs is used up (EDQUOT), while statvfs() calls more than half of it free")
def quota(site):
    room, made = on_file_system(site, "btrfs", "256M")
    taken(site, made, SMALL)
    room.limit_quota(32 << 20)
    room.fill()
    expect(room.free_bytes() > 100 << 20, "the file system itself is full")
    found = [refused(site, made, message, code=452, enhanced="4.3.1", cause="EDQUOT") for message in (LARGE, SMALL)]
    room.limit_quota(None)
    cured(site, made, LARGE, found)


@scenario("P2: the limit of a file's size (RLIMIT_FSIZE) is below the message: EFBIG, and the filter lives")
def file_size_of_stage(site):
    made = site.filter()
    taken(site, made, SMALL)
    made.set_limit("fsize", 200_000)
    found = [refused(site, made, LARGE, code=452, enhanced="4.3.1", cause="EFBIG")]
    taken(site, made, SMALL)
    made.set_limit("fsize", "unlimited")
    cured(site, made, LARGE, found)


@scenario("P2: the limit of a file's size (RLIMIT_FSIZE) is below the end of the segment: EFBIG, and mail goes to another")
def file_size_of_segment(site):
    made = site.filter()
    taken(site, made, LARGE)
    made.set_limit("fsize", 200_000)
    found = [refused(site, made, SMALL, code=452, enhanced="4.3.1", cause="EFBIG")]
    made.wait_event(JOURNAL_AWAY)  # nor can the next one be written ahead
    made.set_limit("fsize", "unlimited")
    cured(site, made, SMALL, found)


@scenario("P2: the limit of descriptors (RLIMIT_NOFILE) falls under a filter that runs: turned away at MAIL")
def descriptors_at_mail(site):
    made = site.filter()
    taken(site, made, SMALL)
    made.set_limit("nofile", len(made.open_files()) + 10)
    made.wait_event(DESCRIPTORS_STOP)
    found = [refused(site, made, SMALL, code=452, enhanced="4.3.1", stage="MAIL")]
    made.set_limit("nofile", 1024)
    made.wait_event(DESCRIPTORS_OVER)
    cured(site, made, SMALL, found)


@scenario("P2 Q157684: no descriptor is left for the temp stream (EMFILE)")
def descriptors_at_store(site):
    made = site.filter()
    taken(site, made, SMALL)
    found = refused_at_end(site, made, SMALL, code=451, enhanced="4.3.0", causes=["EMFILE"],
                           fault=lambda: made.set_limit("nofile", 3))
    made.wait_event(DESCRIPTORS_STOP)
    made.set_limit("nofile", 1024)
    made.wait_event(DESCRIPTORS_OVER)
    cured(site, made, SMALL, [found])


# ---- a disk that fails ----

def failures(_mta_class):
    return [("read-only by an error of the ext4", (FileSystem.break_read_only, ["EROFS"])),
            ("shut down, every call EIO", (FileSystem.shut_down, ["EIO"]))]


@scenario("P1 P2: the spool's file system fails: the filter lets go of it, and goes on by itself once it is mounted again",
          rows=failures)
def disk_fails(site, row):
    fail, causes = row
    room, made = on_file_system(site, "ext4", "64M")
    before = taken(site, made, plain("before"))
    found = refused_at_end(site, made, SMALL, code=451, enhanced="4.3.0", causes=causes, fault=lambda: fail(room))
    made.wait_event(JOURNAL_AWAY)
    found_at_mail = refused(site, made, SMALL, code=421, enhanced="4.3.2", stage="MAIL")
    expect("service is not ready: " in found_at_mail.reply.text, f"no cause in '{found_at_mail.reply}'")
    wait_for(lambda: not held(made, room), 10, f"the filter to let go of {room.path}: {made.open_files()}")
    room.remount()
    made.wait_event(JOURNAL_BACK)
    expect(any(record["id"] == before["id"] for record in made.records()), "what was answered 250 before is gone")
    cured(site, made, SMALL, [found])


def held(made, room):
    return [name for name in made.open_files() if name.startswith(str(room.path))]


# ---- a spool that is not the filter's ----

def give_to_root(path):
    os.chown(path, 0, 0)


def open_to_all(path):
    path.chmod(0o777)


def close_to_all(path):
    path.chmod(0)


def make_a_file(path):
    shutil.move(path, f"{path}.aside")
    path.write_text("")


def wrong_spools(_mta_class):
    rows = [(f"{name or 'spool'}: {how.__name__.replace('_', ' ')}", (name, how, reason))
            for name in ("", "journal", "stage")
            for how, reason in ((give_to_root, "belongs to uid 0"), (open_to_all, "has mode 0777"))]
    return rows + [("journal: close to all", ("journal", close_to_all, "Permission denied")),
                   ("stage: make a file", ("stage", make_a_file, "not a directory"))]


@scenario("P2: wrong owner or mode at start: it does not start and says why, no mail passes, and none is lost",
          rows=wrong_spools)
def wrong_at_start(site, row):
    name, how, reason = row
    made = site.filter()
    taken(site, made, SMALL)
    made.stop()
    place = made.spool / name if name else made.spool
    how(place)
    made.launch()
    equal(made.wait(20), USAGE_OR_CONFIGURATION, f"exit status; it said {made.log_tail()}")
    event = made.events(START_FAILED)[0]
    expect(re.search(rf"{re.escape(str(made.config))}:\d+: .*{reason}", event.line), event.line)
    found = refusal_of(site, SMALL)
    equal((found.reply.code, found.reply.enhanced), site.mta.down_reply, f"reply without a filter: {found}")
    put_right(place)
    made.start()
    cured(site, made, SMALL, [found])


def put_right(place):
    aside = place.with_name(f"{place.name}.aside")
    if aside.exists():
        place.unlink()
        aside.rename(place)
    shutil.chown(place, pwd.getpwnam(USER).pw_uid)
    place.chmod(0o700)


@scenario("P1 P5: a segment that the filter may not read: it is named, an event tells, and mail goes on beside it")
def segment_denied(site):
    made = site.filter()
    before = taken(site, made, SMALL)
    made.stop()
    segment = made.spool / "journal" / os.path.basename(before["segment"])
    os.chown(segment, 0, 0)
    segment.chmod(0o600)
    made.start()
    expect(segment.name in made.wait_event(JOURNAL_DAMAGED).line, "the event does not name the segment")
    cured(site, made, plain("beside it"), [])
    expect(any(record["id"] == before["id"] for record in made.records()), "the copy is gone")


# ---- the control ----

def seen_faults(_mta_class):
    return [("quota", (quota,)), ("file size", (file_size_of_stage,)), ("descriptors", (descriptors_at_store,)),
            ("disk", (disk_fails, failures(None)[1][1]))]


@scenario("control: a filter that ignores the error is found out", rows=seen_faults, measures=True)
def ignored_error(site, row):
    site.must_report(*row)
