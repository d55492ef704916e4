-- Put one message at the end of a room's transcript and tell the room; or withhold it, and tell its observers
-- alone. What was found in it goes to those who look at such things in the same step. The same client_id a
-- second time gives the first answer and has no effect.
-- KEYS  1 room  2 chat stream  3 seen hash  4 fence of this hub
--       5 raised stream, when there is a flag  6 held hash  7 held due zset, when the message is held
-- ARGV  1 sender  2 client_id  3 message id  4 participant no  5 sealed body  6 channel
--       7 fragment: the published event's JSON but for seq and time  8 emission interval_ms  9 burst
--       10 flag | ''  11 'sent' | 'held' | 'blocked'  12 why, in a word | ''  13 session id
--       14 held for ms  15 what becomes of it then: 'release' | 'reject'
-- gives {'ok' | 'seen', seq (0: withheld), at_ms, id, status, why} | {'slow', retry_after_ms}
--       | {'fenced'} | {'missing'} | {'closed'} | {'absent'} | {'muted'}
if redis.call('EXISTS', KEYS[4]) == 1 then return {'fenced'} end
local seen = redis.call('HGET', KEYS[3], ARGV[1] .. ':' .. ARGV[2])
if seen then
  local first = cmsgpack.unpack(seen)
  return {'seen', first[1], first[2], first[3], first[4] or 'sent', first[5] or ''}
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

local at_ms = math.max(now_ms, tonumber(room[5] or 0))
local status, why, seq = ARGV[11], ARGV[12], 0
if status == 'sent' then
  local rev = tonumber(room[3]) + 1
  seq = tonumber(room[4] or 0) + 1
  redis.call('HSET', KEYS[1], 'rev', rev, 'seq', seq, 'said_ms', at_ms, 'pace:' .. ARGV[1], slot_ms + interval_ms)
  redis.call('XADD', KEYS[2], seq .. '-0',
    'r', rev, 't', at_ms, 'i', ARGV[3], 'p', ARGV[4], 'c', ARGV[2], 'b', ARGV[5], 'u', ARGV[1])
  redis.call('SPUBLISH', ARGV[6],
    cmsgpack.pack({'c', rev, seq, at_ms, ARGV[3], ARGV[4], ARGV[2], ARGV[5], ARGV[1], ARGV[7]}))
else
  redis.call('HSET', KEYS[1], 'pace:' .. ARGV[1], slot_ms + interval_ms)
  if status == 'held' then
    local due_ms = now_ms + tonumber(ARGV[14])
    redis.call('HSET', KEYS[6], ARGV[3],
      cmsgpack.pack({ARGV[1], ARGV[2], ARGV[4], ARGV[5], at_ms, due_ms, ARGV[15], why}))
    redis.call('ZADD', KEYS[7], due_ms, ARGV[13] .. '/' .. ARGV[3])
  end
  local body = string.format('{"session_id":"%s","seq":null,"at_ms":%.0f,"status":"%s",', ARGV[13], at_ms, status)
    .. ARGV[7] .. '}'
  redis.call('SPUBLISH', ARGV[6], cmsgpack.pack({'t', 'observers', 'chat:message', body, ''}))
end
local answer = {seq, at_ms, ARGV[3]}
if status ~= 'sent' or why ~= '' then answer = {seq, at_ms, ARGV[3], status, why} end
redis.call('HSET', KEYS[3], ARGV[1] .. ':' .. ARGV[2], cmsgpack.pack(answer))
if ARGV[10] ~= '' then
  redis.call('XADD', KEYS[5], '*', 'f', ARGV[10], 't', at_ms, 'q', seq)
  -- The stream's name is also the channel on which those who move flags are woken.
  redis.call('SPUBLISH', KEYS[5], '')
end
return {'ok', seq, at_ms, ARGV[3], status, why}
