-- Deliver a message that was held: it takes the next place, as if it was said now. Whoever comes first, a
-- moderator, the time-out or the end of the session, decides; the others find nothing.
-- KEYS  1 room  2 chat stream  3 held hash  4 held due zset
-- ARGV  1 message id  2 session id  3 channel  4 fragment: the event's JSON but for seq and time
--       5 notice to the observers, ready for the channel
-- gives {'ok', seq, at_ms} | {'gone'} | {'closed'} | {'muted'}: its sender may not write now
local held = redis.call('HGET', KEYS[3], ARGV[1])
if not held then
  redis.call('ZREM', KEYS[4], ARGV[2] .. '/' .. ARGV[1])
  return {'gone'}
end
local room = redis.call('HMGET', KEYS[1], 'open', 'rev', 'seq', 'said_ms', 'voices')
if room[1] ~= '1' then return {'closed'} end
local m = cmsgpack.unpack(held)
if room[5] and cmsgpack.unpack(room[5])[m[1]] == 'muted' then return {'muted'} end
local time = redis.call('TIME')
local at_ms = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(room[4] or 0))
local rev, seq = tonumber(room[2]) + 1, tonumber(room[3] or 0) + 1
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[2] .. '/' .. ARGV[1])
redis.call('HSET', KEYS[1], 'rev', rev, 'seq', seq, 'said_ms', at_ms)
redis.call('XADD', KEYS[2], seq .. '-0',
  'r', rev, 't', at_ms, 'i', ARGV[1], 'p', m[3], 'c', m[2], 'b', m[4], 'u', m[1])
redis.call('SPUBLISH', ARGV[3], cmsgpack.pack({'c', rev, seq, at_ms, ARGV[1], m[3], m[2], m[4], m[1], ARGV[4]}))
redis.call('SPUBLISH', ARGV[3], ARGV[5])
return {'ok', seq, at_ms}
