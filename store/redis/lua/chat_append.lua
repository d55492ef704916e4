-- Put one message at the end of a room's transcript and tell the room. The same client_id a second time gives
-- the first answer and has no effect.
-- KEYS  1 room  2 chat stream  3 seen hash  4 fence of this hub
-- ARGV  1 sender  2 client_id  3 message id  4 participant no  5 sealed body  6 channel
--       7 fragment: the published event's JSON but for seq and time  8 emission interval_ms  9 burst
-- gives {'ok', seq, at_ms, id} | {'seen', seq, at_ms, id} | {'slow', retry_after_ms}
--       | {'fenced'} | {'missing'} | {'closed'} | {'absent'} | {'muted'}
if redis.call('EXISTS', KEYS[4]) == 1 then return {'fenced'} end
local seen = redis.call('HGET', KEYS[3], ARGV[1] .. ':' .. ARGV[2])
if seen then
  local first = cmsgpack.unpack(seen)
  return {'seen', first[1], first[2], first[3]}
end
local room = redis.call('HMGET', KEYS[1], 'open', 'voices', 'rev', 'seq', 'said_ms', 'pace:' .. ARGV[1])
if not room[1] then return {'missing'} end
if room[1] ~= '1' then return {'closed'} end
local voice = cmsgpack.unpack(room[2])[ARGV[1]]
if not voice then return {'absent'} end
if voice ~= 'open' then return {'muted'} end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
-- Generic cell rate: the sender's next free slot may lie at most a burst ahead of now.
local interval_ms, burst = tonumber(ARGV[8]), tonumber(ARGV[9])
local slot_ms = math.max(tonumber(room[6] or 0), now_ms)
local ahead_ms = slot_ms - now_ms
if interval_ms > 0 and ahead_ms > interval_ms * (burst - 1) then
  return {'slow', ahead_ms - interval_ms * (burst - 1)}
end

local rev, seq = tonumber(room[3]) + 1, tonumber(room[4] or 0) + 1
local at_ms = math.max(now_ms, tonumber(room[5] or 0))
redis.call('HSET', KEYS[1], 'rev', rev, 'seq', seq, 'said_ms', at_ms, 'pace:' .. ARGV[1], slot_ms + interval_ms)
redis.call('HSET', KEYS[3], ARGV[1] .. ':' .. ARGV[2], cmsgpack.pack({seq, at_ms, ARGV[3]}))
redis.call('XADD', KEYS[2], seq .. '-0',
  'r', rev, 't', at_ms, 'i', ARGV[3], 'p', ARGV[4], 'c', ARGV[2], 'b', ARGV[5], 'u', ARGV[1])
redis.call('SPUBLISH', ARGV[6],
  cmsgpack.pack({'c', rev, seq, at_ms, ARGV[3], ARGV[4], ARGV[2], ARGV[5], ARGV[1], ARGV[7]}))
return {'ok', seq, at_ms, ARGV[3]}
