-- A delivered message is not shown any more. Its place stays, and so does its sealed body until the record is
-- made: the chain covers it.
-- KEYS  1 room  2 chat stream  3 removed set  4 log stream
-- ARGV  1 seq  2 channel  3 body of the event, JSON  4 log length to keep
-- gives 1, or 0 when there is no such message or it is removed already
local room = redis.call('HMGET', KEYS[1], 'version', 'rev')
if not room[1] then return 0 end
if #redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', ARGV[1] .. '-0') == 0 then return 0 end
if redis.call('SADD', KEYS[3], ARGV[1]) == 0 then return 0 end
local left_ms = redis.call('PTTL', KEYS[1])
if left_ms > 0 then redis.call('PEXPIRE', KEYS[3], left_ms) end
local rev = tonumber(room[2]) + 1
local event = {'room', 'chat:removed', ARGV[3]}
redis.call('HSET', KEYS[1], 'rev', rev)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], rev .. '-0', 'a', event[1], 'n', event[2], 'b', event[3])
-- Version 0: the room itself is as it was.
redis.call('SPUBLISH', ARGV[2], cmsgpack.pack({'e', rev, 0, '', '', {event}}))
return 1
