-- A hundred headers, a thousand recipients and a body of 2 MB are taken.
-- Headers near 64 KiB are for tests/unit/test-mclient.c: they end miltertest itself.
dofile(dir .. "/common.lua")
run(function()
	local conn = open(nil, nil)
	greet(conn)
	ok("mail", mt.mailfrom(conn, "<sender@example.net>"))
	mt.macro(conn, SMFIC_RCPT, "i", "EEEE0000001")
	for i = 1, 1000 do
		ok("rcpt", mt.rcptto(conn, "<recipient" .. i .. "@example.org>"))
	end
	start_data(conn)
	for i = 1, 100 do
		ok("header", mt.header(conn, "X-Number-" .. i, string.rep(" word", 200)))
	end
	end_headers(conn)
	ok("body", mt.bodyrandom(conn, 2000000))
	ok("eom", mt.eom(conn))
	expect_reply(conn, "end of message", "continue")
	expect_unchanged(conn)
	mt.disconnect(conn)
end)
