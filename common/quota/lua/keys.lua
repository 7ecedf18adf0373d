-- The keys of one API key, under one hash tag: what is known, the calls, who waits, until when, and who was sent away.
local META, LOG, QUEUE, DUE, DEFERRED = unpack(KEYS)

