-- What the limiter knows; returns a refusal instead if it cannot be relied on. Every decision starts here.
--   KEYS  meta, log, queue, due, deferred: all of one API key, under one hash tag
--   ARGV  1 quota, 2 epoch, 3 seen: what the caller's last answer showed, 4 not_after: the latest that it can be now
--   meta  quota, epoch, seen: the latest grant, size: entries of the log, longest: period that the log covers,
--         hold: nothing is granted before, held_by: why, distrust: why the log must be rebuilt;
--         failures, failed_at, failing_since, probes: see outage.lua
local CLOCK_SLACK = 1000000 -- a clock that is slewed may hesitate: it then stands still for us, which is safe

local now = clock()
local meta = redis.call('HMGET', META, 'quota', 'epoch', 'seen', 'size', 'hold', 'distrust', 'failures')
if not meta[1] then return {'unknown', now, 'missing'} end
if meta[6] then return {'unknown', now, meta[6]} end
if meta[1] ~= ARGV[1] then return {'quota', now, meta[1]} end

local epoch, seen, hold, failing = meta[2], tonumber(meta[3]), tonumber(meta[5]), meta[7]
-- The same epoch, but older than this caller has seen it: a replica or a backup took over, and grants are lost.
if epoch == ARGV[2] and seen < tonumber(ARGV[3]) then
  redis.call('HSET', META, 'distrust', 'rolled_back')
  return {'unknown', now, 'rolled_back'}
end
if now < seen - CLOCK_SLACK then return {'unknown', now, 'clock_behind', seen - now} end
-- A command that lay in a stalled server's buffer: its caller has given up, and a grant would be lost.
if now > tonumber(ARGV[4]) then return {'late', now} end
if now < seen then now = seen end

local size = redis.call('ZCARD', LOG)
if size ~= tonumber(meta[4]) then return {'unknown', now, 'log_missing'} end
