/* events.h - the catalogue of events: one row for each kind
 *
 * HF_EVENT (name, number, level, summary, advice)
 *   number   the stable code, printed as HF-NNN; never used again for another kind
 *   level    ERROR, WARNING, NOTICE or INFO: syslog's priorities
 *   summary  what the message starts with, error first
 *   advice   for doc/EVENTS: what it means and what to do
 *
 * 1xx start, stop and life; 2xx a message; 3xx the journal; 4xx pressure;
 * 5xx books, 6xx alarms.  doc/EVENTS is made from these rows.
 * No include guard: the file is included once for each use of the rows.
 */

/* life */
HF_EVENT (STARTED, 101, NOTICE, "started",
          "The filter has its journal and its socket and takes mail.")
HF_EVENT (STOPPING, 102, NOTICE, "draining",
          "A stop was asked for. New mail is answered 421 4.3.2; open transactions finish.")
HF_EVENT (STOPPED, 103, NOTICE, "stopped",
          "All transactions were finished and the journal was closed.")
HF_EVENT (STOP_INCOMPLETE, 104, ERROR, "stopped with work unfinished",
          "drain_limit passed first. The transactions that were open got no answer, so their senders "
          "still have the mail and will retry; a retry may leave a second copy.")
HF_EVENT (START_FAILED, 105, ERROR, "cannot start",
          "The message names the file, the line and the reason. Nothing was touched.")
HF_EVENT (RELOADED, 106, NOTICE, "configuration reloaded",
          "The fields name the keys that changed.")
HF_EVENT (RELOAD_REFUSED, 107, ERROR, "configuration not reloaded",
          "The new file has an error; the settings in force stay. Correct the file and send SIGUSR1 again.")
HF_EVENT (RELOAD_NEEDS_RESTART, 108, WARNING, "changed key needs a restart",
          "The key named was changed in the file but is read only at the start. Restart when convenient.")
HF_EVENT (SOCKET_REPLACED, 109, NOTICE, "stale socket replaced",
          "A socket of an earlier run was in the way, and nobody listened on it.")
HF_EVENT (SPOOL_CREATED, 110, NOTICE, "spool directory made",
          "A directory of the spool did not exist and was made. On a machine that has run before, check "
          "that the spool's file system is mounted.")
HF_EVENT (STAGE_NAMED, 111, NOTICE, "stage uses named files",
          "The spool's file system or /proc can't do with unnamed files, so stages have names in stage/. "
          "What a crash leaves there was never answered; it is removed at the next start.")

HF_EVENT (LISTENER_ENDED, 112, ERROR, "libmilter stopped listening",
          "libmilter gave its socket up, after errors that it told syslog. The filter stops; its service "
          "manager should start it again.")

/* a message */
HF_EVENT (EVENTS_DROPPED, 113, WARNING, "events were not told",
          "The log took no lines for a while, and more events came than are kept. Mail was answered "
          "meanwhile. Look at what reads the filter's standard error, at syslogd or at journald.")
HF_EVENT (NO_TELLER, 114, WARNING, "no thread for events",
          "The filter waits for its log with each event. A log that hangs will hold mail up.")
HF_EVENT (MESSAGE_NOT_STORED, 201, ERROR, "message not stored",
          "The sender got a 4xx and keeps the message; it will retry. The fields name the step that "
          "failed and its errno. Look at the spool's file system.")
HF_EVENT (COMMIT_LATE, 202, ERROR, "message not stored in time",
          "The journal did not take the message within commit_limit. The sender got 451 and will retry; "
          "should the write end after all, the copy is marked void.")
HF_EVENT (TRANSACTION_BROKEN, 203, ERROR, "message not stored: the MTA's commands were out of order",
          "The MTA, or what speaks in its place, broke the milter protocol. The sender got a 4xx.")
HF_EVENT (VOID_UNMARKED, 204, WARNING, "void mark not written",
          "The copy of a tempfailed message could not be marked void because the journal failed. It stays "
          "provisional; the MTA's log says that it was not accepted.")
HF_EVENT (MAIL_REFUSED, 205, WARNING, "mail turned away at MAIL",
          "The reason is in the text. The sender keeps the message and will retry.")

/* the journal */
HF_EVENT (SEGMENT_OPENED, 301, INFO, "segment opened",
          "Records go to this segment from now on.")
HF_EVENT (SEGMENT_CLOSED, 302, INFO, "segment closed",
          "The segment is full or the filter stops; all of it is on stable storage.")
HF_EVENT (SEGMENT_FAILED, 303, ERROR, "segment closed after a failure",
          "A write, read-back, sync or path check failed. The segment takes nothing more; what was waiting "
          "was tempfailed. The filter opens a new segment by itself when the spool works again.")
HF_EVENT (JOURNAL_TORN, 304, WARNING, "unfinished write found",
          "A crash left a record that is not whole. Nothing is removed. The message may have been "
          "answered 250 only if the disk lost what it had confirmed; the MTA's log decides.")
HF_EVENT (JOURNAL_DAMAGED, 305, ERROR, "record damaged",
          "A record that was on stable storage no longer verifies. The copy stays where it is. "
          "Check the disk; `holdfast verify` lists all such records.")
HF_EVENT (JOURNAL_AWAY, 306, ERROR, "journal not available",
          "The journal can't be opened. MAIL is answered 421 4.3.2 until it can; the filter tries every second "
          "and holds nothing open on the file system, so that it can be repaired and mounted.")
HF_EVENT (JOURNAL_BACK, 307, NOTICE, "journal available again",
          "Mail is taken again.")
HF_EVENT (SPARE_FAILED, 308, WARNING, "no spare segment",
          "The next segment could not be written ahead. Mail is taken until the open segment is full.")
HF_EVENT (JOURNAL_SLOW, 309, ERROR, "journal slow",
          "A write or sync is overdue. MAIL is answered 451 4.3.0 until the journal answers in time again.")
HF_EVENT (JOURNAL_RECOVERED, 310, NOTICE, "journal recovered",
          "The newest segment was scanned at the start; the fields count what was found.")
HF_EVENT (PUBLISH_FAILED, 311, WARNING, "synced offset not published",
          "Readers of the open segment see less than there is until the next success. No mail is at risk.")

HF_EVENT (GROUND_NOCOW, 312, NOTICE, "journal kept from copying on write",
          "The spool's file system copies what is overwritten; segments are told not to be, so that writing "
          "ahead reserves room. Such files have no checksums of the file system (records have their own), and "
          "a snapshot of the spool takes the reserve away until the next segment.")
HF_EVENT (GROUND_COPIES, 313, WARNING, "spool copies on write",
          "Writing ahead would reserve no room here, so it is left off, and the space marks are doubled. A full "
          "disk is found when a message is written: its sender gets a 4xx. The field names the file system. "
          "On a thin volume watch the pool, too: its free room can't be seen from here.")
HF_EVENT (LATENCY_WARN, 314, WARNING, "journal slows down",
          "Writing or syncing a group of messages takes long. Mail is still taken. The fields tell how long, "
          "and from when on MAIL is turned away. Look at what else uses the disk.")
HF_EVENT (LATENCY_OVER, 315, NOTICE, "journal answers in time again",
          "Mail is taken.")

HF_EVENT (GROUND_MEMORY, 316, WARNING, "spool is in memory",
          "The spool's file system keeps nothing when the power goes or the machine restarts: mail that "
          "was answered 250 is lost then. Put the spool on a disk. The field names the file system.")
HF_EVENT (SEGMENT_NEWER, 318, WARNING, "newest segment is of a newer version",
          "A newer Holdfast wrote it. It stays as it is, and mail goes on in a new segment; what it holds can be "
          "listed by the newer version only.")
HF_EVENT (RESERVE_FAILED, 319, WARNING, "no more segments in reserve",
          "A segment beside the next one could not be written ahead. Mail is taken all the same, bursts of it more "
          "slowly. It is not tried again until the journal is opened anew.")

/* pressure */
HF_EVENT (PRESSURE_STOP, 401, ERROR, "no room on spool",
          "Free space or inodes (the field resource says which) fell below the stop mark. MAIL is answered "
          "452 4.3.1 until they rise above the warn mark. Make room, or give the spool a larger file system.")
HF_EVENT (PRESSURE_OVER, 402, NOTICE, "room on spool again",
          "Free space or inodes are above the warn mark again; mail is taken.")
HF_EVENT (PRESSURE_WARN, 403, WARNING, "room on spool runs low",
          "Free space or inodes fell below the warn mark. Mail is still taken; below the stop mark it is not.")
HF_EVENT (DESCRIPTORS_STOP, 404, ERROR, "no descriptors to spare",
          "So few descriptors are left that a message could not be stored. MAIL is answered 452 4.3.1 until "
          "there are more. Raise the limit (LimitNOFILE= of the service), or let the MTA open fewer connections.")
HF_EVENT (DESCRIPTORS_OVER, 405, NOTICE, "descriptors to spare again",
          "Mail is taken.")
HF_EVENT (DESCRIPTORS_WARN, 406, WARNING, "descriptors run low",
          "Mail is still taken. Raise the limit (LimitNOFILE= of the service) before they run out.")

/* the books */
HF_EVENT (AUDITOR_STARTED, 501, NOTICE, "auditor started",
          "The auditor has its books and follows the journal and the MTA's log.")
HF_EVENT (AUDITOR_STOPPED, 502, NOTICE, "auditor stopped",
          "All that was read is in the books. The filter goes on without it; nothing is trimmed meanwhile.")
HF_EVENT (AUDITOR_FAILED, 503, ERROR, "auditor cannot go on",
          "The message names the step. What was read since the last commit is read again at the next start; "
          "nothing is lost and nothing is counted twice.")
HF_EVENT (LOG_GAP, 504, WARNING, "lines of the MTA's log are missing",
          "The text says how this was noticed. Mail that was open at that time and does not turn up again is "
          "unaccounted, never lost. Look at the log's rotation and its rate limits.")
HF_EVENT (LOG_UNREADABLE, 505, ERROR, "MTA's log not readable",
          "The books stand still until it can be read; where it is not there at all, that is told after ten "
          "seconds. Check [mta] log and the auditor's groups.")
HF_EVENT (QUEUE_UNKNOWN, 506, WARNING, "MTA's queue not readable",
          "Without a look at the queue no mail is called lost for being absent from it. A stopped MTA is no "
          "empty queue.")
HF_EVENT (BOOKS_DAMAGED, 507, ERROR, "books damaged",
          "Groups of spool/books no longer verify. What they said of the journal is read there again; what they "
          "said of the log is missing like lines of a log, so mail of that time is unaccounted at worst, never lost. "
          "The files stay as they are.")
HF_EVENT (ACT_TAKEN, 508, NOTICE, "operator's act taken into the books",
          "The fields name the act.")
HF_EVENT (ACT_FAULTY, 509, WARNING, "operator's act not understood",
          "The file stays in spool/acts and settles nothing.")
HF_EVENT (LEDGER_MADE, 510, NOTICE, "ledger made anew",
          "The index was made from the books.")
HF_EVENT (SEGMENTS_TRIMMED, 511, INFO, "segments trimmed",
          "Every recipient in them was settled or void, and the retention was over. journal/trimmed and the books "
          "tell what was in them.")
HF_EVENT (TRIM_FAILED, 512, ERROR, "segments not trimmed",
          "The fields name the step. Nothing was lost; it is tried again in the next pass. Until it works the "
          "spool grows.")
HF_EVENT (CLOCK_JUMPED, 513, WARNING, "clock jumped",
          "The wall clock moved by an hour more or less than time did. Nothing is trimmed in this pass, and the "
          "retention goes on by the clock that never jumps. Look at the host's time.")
HF_EVENT (RELEASED_EARLY, 514, WARNING, "settled copies released before their retention was over",
          "The spool's free space or inodes are below the warning mark, so the oldest settled copies went. "
          "Unsettled ones never do. Give the spool more room, or shorten [retention] settled.")
HF_EVENT (MAIL_CARRIED, 515, INFO, "mail carried forward",
          "What is not settled yet was written to a segment of its own in spool/carried, so that the segments it "
          "kept can go.")
HF_EVENT (CARRY_FAILED, 516, ERROR, "mail not carried forward",
          "The fields name the step. The copies stay where they were; it is tried again in the next pass.")
HF_EVENT (NOTHING_TO_RELEASE, 517, WARNING, "no room on spool, and no copy may go",
          "Free space or inodes are below the warning mark, and every copy that is left is of mail that is not "
          "settled, or is needed to read one. Make room elsewhere; see what is open with holdfast list.")
HF_EVENT (LOG_BACK, 518, NOTICE, "MTA's log readable again",
          "The auditor goes on where it was.")
HF_EVENT (LOG_STRANGE, 519, ERROR, "MTA's log not understood",
          "Lines come, and none of them begins as one of a log does: with a BSD stamp, one of ISO 8601, or the header of "
          "RFC 5424. Nothing becomes known of any mail. Check [mta] log, and the template that the log is written with.")

HF_EVENT (SCRUB_PASSED, 521, INFO, "journal read again",
          "Every closed segment was read from the device and verified; the field counts the octets. What was found "
          "wrong was told by itself.")
HF_EVENT (COPY_SOUND, 522, NOTICE, "copy verifies again",
          "What was damaged, or could not be read, is whole now. Something between disk and memory errs now and then: "
          "look at the disk, its cables and the memory.")
HF_EVENT (JOURNAL_BREACH, 523, ERROR, "journal damaged where no message is known",
          "Octets of a segment changed on the disk, and the books know of no message there: a note, a void mark, or "
          "padding. `holdfast verify` shows the place; the segment stays until `holdfast settle --reason TEXT SEGMENT:OFFSET`. "
          "Check the disk.")

/* alarms */
HF_EVENT (MAIL_LOST, 601, ERROR, "mail lost",
          "The MTA took it, and it is gone: no line of the log tells its end and the queue does not have it. "
          "`holdfast explain ID` shows the evidence; the copy is in the journal.")
HF_EVENT (MAIL_UNACCOUNTED, 602, WARNING, "mail unaccounted",
          "It should be settled by now, and what is missing is not certain enough to call it lost. "
          "`holdfast explain ID` says what is known and what would settle it.")
HF_EVENT (COPY_GONE, 603, ERROR, "copies gone",
          "A segment of the journal is gone that nobody trimmed. The envelopes are known from the books and "
          "are listed as damaged: `holdfast list --copy damaged` shows them. Once what was not delivered is seen to, "
          "`holdfast settle --reason TEXT ID` says for each that this is known.")
HF_EVENT (COPY_DAMAGED, 604, ERROR, "copy damaged",
          "A copy that was whole no longer verifies, or can't be read any more. It stays where it is, and its "
          "envelope is in the books. Check the disk. `holdfast list --copy damaged` shows all such copies, "
          "`holdfast explain ID` what became of the message: where it was not delivered, its sender has to be told.")
HF_EVENT (COPY_UNREADABLE, 605, ERROR, "journal not readable where it was written",
          "The disk gave an error instead of octets. The records around the place are read one by one; what can't be "
          "read a minute later either is told as damaged. Check the disk at once.")
