-- Commit a decision about a room: its new state, the facts that follow, its next deadline, and, when it is
-- over, its settlement. All or nothing, and only on top of the version the decision was made on.
-- KEYS  1 room  2 log stream  3 due zset  4 index zset  5 settlement stream  6 fence of this hub  7 hub's rooms
-- ARGV  1 expected version (0: the room must not exist yet)  2 blob  3 due_ms | ''  4 session id  5 channel
--       6 events: msgpack array of [audience, name, body]  7 voices: msgpack map user -> voice
--       8 settle: msgpack array of guest ids  9 '1' when a socket of this hub is in the room
--       10 '1' when the room is open to chat  11 log length to keep  12 state
-- gives {'fenced'} | {'stale'} | {'ok', version, last rev}
if redis.call('EXISTS', KEYS[6]) == 1 then return {'fenced'} end
local room = redis.call('HMGET', KEYS[1], 'version', 'rev')
local version, rev = tonumber(room[1] or 0), tonumber(room[2] or 0)
if version ~= tonumber(ARGV[1]) then return {'stale'} end

version = version + 1
local first = rev + 1
local events = cmsgpack.unpack(ARGV[6])
for _, event in ipairs(events) do
  rev = rev + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[11], rev .. '-0', 'a', event[1], 'n', event[2], 'b', event[3])
end
redis.call('HSET', KEYS[1], 'blob', ARGV[2], 'version', version, 'rev', rev, 'open', ARGV[10], 'voices', ARGV[7])
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[3], ARGV[4])
else
  redis.call('ZADD', KEYS[3], ARGV[3], ARGV[4])
end
if version == 1 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[4], time[1], ARGV[4])
end
local guests = cmsgpack.unpack(ARGV[8])
for _, guest in ipairs(guests) do
  redis.call('XADD', KEYS[5], '*', 's', ARGV[4], 'g', guest)
end
-- The stream's name is also the channel on which workers are woken.
if #guests > 0 then redis.call('SPUBLISH', KEYS[5], '') end
if ARGV[9] == '1' then redis.call('SADD', KEYS[7], ARGV[4]) end
redis.call('SPUBLISH', ARGV[5], cmsgpack.pack({'e', first, version, ARGV[3], ARGV[12], events}))
return {'ok', version, rev}
