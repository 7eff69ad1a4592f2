/* parameters.h - every key of milter.conf, declared once
 *
 * HF_PARAMETER (section, key, kind, default, min, max, reload, choices, sentence)
 *   kind      STRING PATH CHOICE SIZE TIME COUNT MODE BOOL SHARE
 *   default   as it would be written in the file, "" for empty
 *   min, max  likewise, "" for none; SIZE, TIME, COUNT and SHARE only
 *   reload    TRUE when SIGUSR1 takes a change, FALSE when it needs a restart
 *   choices   "a|b|c" for CHOICE, else ""
 *   sentence  for the sample file and the man page
 * A row appears with the capability that uses it.
 * No include guard: the file is included once for each use of the rows.
 */

HF_PARAMETER (milter, socket, STRING, "unix:/run/holdfast/milter.sock", "", "", FALSE, "",
              "Where the MTA reaches the filter: unix:PATH, or inet:PORT@HOST on loopback.")
HF_PARAMETER (milter, socket_mode, MODE, "0660", "", "", FALSE, "",
              "Permissions of a unix socket; the MTA needs to write to it.")
HF_PARAMETER (milter, socket_group, STRING, "", "", "", FALSE, "",
              "Group of a unix socket. Empty: the group postfix where the filter is started as root and "
              "there is such a group, else unchanged.")
HF_PARAMETER (milter, allow_remote, BOOL, "no", "", "", FALSE, "",
              "Allow a TCP socket that is not on loopback. The milter protocol has no authentication: "
              "whoever reaches the socket can write to the journal.")
HF_PARAMETER (milter, user, STRING, "", "", "", FALSE, "",
              "User to become after the start as root. Empty: stay who you are.")
HF_PARAMETER (milter, timeout, TIME, "2h", "10s", "1d", FALSE, "",
              "How long to wait for the MTA's next word before a connection is given up.")
HF_PARAMETER (milter, commit_limit, TIME, "60s", "1s", "240s", TRUE, "",
              "How long a message may take to be committed before its sender is told to try again. Keep it "
              "below the MTA's own limit for the end of a message (Postfix: milter_content_timeout, 300 s).")
HF_PARAMETER (milter, drain_limit, TIME, "30s", "0s", "1h", TRUE, "",
              "How long a stop waits for open transactions.")
HF_PARAMETER (milter, log_to, STRING, "auto", "", "", FALSE, "",
              "Where events go: auto, or a list of stderr, syslog and journald.")
HF_PARAMETER (spool, directory, PATH, "/var/spool/holdfast", "", "", FALSE, "",
              "The spool. It must exist, belong to the user that the filter runs as, and be on a local "
              "file system.")
HF_PARAMETER (journal, segment_size, SIZE, "64M", "64K", "4G", FALSE, "",
              "Size of a journal segment. On a small file system a sixteenth of it is used where that is less.")
HF_PARAMETER (journal, spares, COUNT, "4", "1", "64", FALSE, "",
              "How many segments are kept written ahead, so that a burst of as much mail need not share the disk with "
              "that. One always is; the others are made while little mail comes, where they are no more than a sixteenth "
              "of what is free, and given back where room becomes short. A quota can't be seen: where the user has one, set "
              "it to 1.")
HF_PARAMETER (journal, write_ahead, BOOL, "yes", "", "", FALSE, "",
              "Write segments full of NULs before they are used, so that a sync changes no metadata and a "
              "full disk is found before mail is accepted.")
HF_PARAMETER (mta, instance, STRING, "", "", "", FALSE, "",
              "Name of the MTA's instance, as it stands in front of the / in its log (Postfix: syslog_name). It is "
              "written into every segment, so that journals of several instances can be told apart.")
HF_PARAMETER (mta, type, CHOICE, "postfix", "", "", FALSE, "postfix|sendmail",
              "The MTA whose log and queue the auditor reads.")
HF_PARAMETER (mta, log, STRING, "file:/var/log/mail.log", "", "", FALSE, "",
              "The MTA's log: file:PATH, which is followed through its rotation, or journald, or "
              "journald:DIRECTORY for a systemd journal elsewhere.")
HF_PARAMETER (mta, queue, STRING, "", "", "", FALSE, "",
              "Where the MTA's queue is asked for. Postfix: its configuration directory (postqueue -c). Sendmail: its "
              "queue directories, separated by colons. Empty: /etc/postfix, or /var/spool/mqueue.")
HF_PARAMETER (mta, filter_after, CHOICE, "unknown", "", "", FALSE, "none|some|unknown",
              "Whether another filter stands after this one. With none, a recipient that the MTA removes without "
              "a record is lost; else it is unaccounted, for a later filter may have removed it.")
HF_PARAMETER (audit, settle_after, TIME, "6d", "1h", "90d", FALSE, "",
              "How long a message may be open without being seen in the queue before it counts as unaccounted.")
HF_PARAMETER (audit, snapshot_interval, TIME, "10min", "1s", "1d", FALSE, "",
              "How often the MTA's queue is asked for. Mail is called lost for being absent only after two such "
              "looks, at least half of this apart.")
HF_PARAMETER (audit, gap_after, TIME, "15min", "10s", "7d", FALSE, "",
              "How long the MTA's log may be silent while the journal takes mail before lines count as missing; and how "
              "long it may talk on without telling whether a message was accepted, which then counts as unaccounted where "
              "two looks do not find it in the queue, either.")
HF_PARAMETER (audit, scrub_rate, SIZE, "4M", "", "", FALSE, "",
              "How many octets of the journal are read again a second, to find copies that the disk has damaged; 0 turns "
              "it off. A pass over all of it is begun at most once a day: at 4M it takes seven hours for 100 GiB, a few "
              "percent of what a disk can read, and one of a processor.")
HF_PARAMETER (pressure, space_warn, SHARE, "10% max 8G", "", "", TRUE, "",
              "Free space of the spool below which an event warns, and above which all is well again. Not set: "
              "twice space_stop.")
HF_PARAMETER (pressure, space_stop, SHARE, "5% max 4G", "", "", TRUE, "",
              "Free space of the spool below which MAIL is answered 452 4.3.1, until more than space_warn is "
              "free: a size, or a share of the file system. What lies below is kept for the books and for reports. "
              "Both are doubled where the file system copies on write; 0 turns them off.")
HF_PARAMETER (pressure, inodes_warn, SHARE, "4% max 20000", "", "", TRUE, "",
              "Free inodes of the spool below which an event warns, and above which all is well again. Not set: "
              "twice inodes_stop.")
HF_PARAMETER (pressure, inodes_stop, SHARE, "2% max 10000", "", "", TRUE, "",
              "Free inodes of the spool below which MAIL is answered 452 4.3.1, until more than inodes_warn are "
              "free: a count, or a share of the file system; 0 turns both off. File systems that count none are "
              "never short of them.")
HF_PARAMETER (retention, settled, TIME, "2d", "0s", "", TRUE, "",
              "How long copies are kept once every recipient is settled. Copies of what was not accepted, which are "
              "void, have no retention.")
HF_PARAMETER (retention, carry_after, TIME, "1d", "0s", "", FALSE, "",
              "How old mail that is not settled has to be before it is carried forward: where it is a quarter of its "
              "segment or less, and the rest may go, it is written to a segment of its own, and the old one goes. "
              "Within a day most deferred mail settles by itself, and need not be written twice.")
