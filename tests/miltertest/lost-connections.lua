-- MTAs that go away in the middle do not disturb one that stays.
dofile(dir .. "/common.lua")
run(function()
	local staying = open(nil, nil)
	greet(staying)
	envelope(staying, "DDDD0000001", { "one@example.org" })

	local conn = mt.connect(socket)
	mt.disconnect(conn, false)

	conn = open(nil, nil)
	mt.disconnect(conn, false)

	conn = open(nil, nil)
	greet(conn)
	envelope(conn, "DDDD0000002", { "one@example.org" })
	headers(conn)
	ok("body", mt.bodyrandom(conn, 300000))
	mt.disconnect(conn, false)

	headers(staying)
	ok("body", mt.bodystring(staying, "still here\r\n"))
	ok("eom", mt.eom(staying))
	expect_reply(staying, "end of message", "continue")
	mt.disconnect(staying)
end)
