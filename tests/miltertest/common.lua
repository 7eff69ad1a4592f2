-- common.lua - what every script here needs; read by each with dofile(dir .. "/common.lua")
--
-- miltertest ends silently where a script has an error: run() catches it and
-- says what it was.  `socket` and `dir` are set on miltertest's command line.

SMFIR = { accept = string.byte("a"), continue = string.byte("c"), tempfail = string.byte("t"),
          reject = string.byte("r"), discard = string.byte("d"), code = string.byte("y") }

-- The functions of mt return nil, or what went wrong.
function ok(what, problem)
	if problem ~= nil then
		error(what .. ": " .. tostring(problem), 2)
	end
end

function name_of(reply)
	for name, value in pairs(SMFIR) do
		if value == reply then
			return name
		end
	end
	return tostring(reply)
end

function expect_reply(conn, what, want)
	local got = mt.getreply(conn)
	if got ~= SMFIR[want] then
		error(what .. ": the filter answered " .. name_of(got) .. ", not " .. want, 2)
	end
end

function open(version, steps)
	local conn = mt.connect(socket, 50, 0.1)
	if conn == nil then
		error("cannot connect to " .. socket, 2)
	end
	ok("negotiate", mt.negotiate(conn, version, nil, steps))
	return conn
end

function greet(conn)
	ok("conninfo", mt.conninfo(conn, "client.example.net", "192.0.2.1"))
	ok("helo", mt.helo(conn, "client.example.net"))
end

-- A filter need not want these two, and miltertest then refuses to say them.
function start_data(conn)
	if not mt.test_option(conn, SMFIP_NODATA) then
		ok("data", mt.data(conn))
	end
end

function end_headers(conn)
	if not mt.test_option(conn, SMFIP_NOEOH) then
		ok("eoh", mt.eoh(conn))
	end
end

-- MAIL, the recipients and DATA.  miltertest can send macros no later than
-- with a recipient; there Postfix gives the queue id from the second on.
function envelope(conn, queue_id, recipients)
	ok("mail", mt.mailfrom(conn, "<sender@example.net>", "SIZE=2000", "BODY=8BITMIME"))
	for _, address in ipairs(recipients) do
		mt.macro(conn, SMFIC_RCPT, "i", queue_id, "{rcpt_addr}", address)
		ok("rcpt", mt.rcptto(conn, "<" .. address .. ">"))
	end
	start_data(conn)
end

function headers(conn)
	ok("header", mt.header(conn, "From", " sender@example.net"))
	ok("header", mt.header(conn, "Subject", " a line\n\tfolded"))
	end_headers(conn)
end

-- Whatever the filter does, it does not change mail: it asked for no action,
-- and did nothing of what can be looked for without knowing what.
function expect_unchanged(conn)
	local actions = { SMFIF_ADDHDRS, SMFIF_CHGBODY, SMFIF_ADDRCPT, SMFIF_DELRCPT, SMFIF_CHGHDRS,
	                  SMFIF_QUARANTINE, SMFIF_CHGFROM, SMFIF_ADDRCPT_PAR }
	for _, action in ipairs(actions) do
		if mt.test_action(conn, action) then
			error("the filter asked for action " .. action, 2)
		end
	end
	for _, edit in ipairs({ MT_HDRADD, MT_HDRINSERT, MT_HDRCHANGE, MT_HDRDELETE, MT_BODYCHANGE,
	                        MT_QUARANTINE }) do
		if mt.eom_check(conn, edit) then
			error("the filter changed the message: " .. edit, 2)
		end
	end
end

function message(conn, queue_id, recipients, body)
	envelope(conn, queue_id, recipients)
	headers(conn)
	ok("body", mt.bodystring(conn, body))
	ok("eom", mt.eom(conn))
	expect_reply(conn, "end of message " .. queue_id, "continue")
	expect_unchanged(conn)
end

function run(script)
	local fine, problem = pcall(script)
	if not fine then
		mt.echo("failed: " .. tostring(problem))
		error(problem)
	end
	mt.echo("held")
end
