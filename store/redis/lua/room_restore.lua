-- Put a room back from its checkpoint, unless the store holds it in this or a newer version.
-- KEYS  1 room  2 due zset  3 index zset
-- ARGV  1 version  2 blob  3 due_ms | ''  4 session id  5 open  6 voices  7 rev  8 seq  9 said_ms
-- gives 1 when the room was put back
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or -1)
if version >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'blob', ARGV[2], 'version', ARGV[1], 'open', ARGV[5], 'voices', ARGV[6],
  'rev', ARGV[7], 'seq', ARGV[8], 'said_ms', ARGV[9])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4]) end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[3], time[1], ARGV[4])
return 1
