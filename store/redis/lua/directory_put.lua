-- Show a practitioner's standing, unless a later one is shown already.
-- KEYS  1 directory hash
-- ARGV  1 user  2 n, which grows with each change of the person's standing  3 status  4 channel
-- gives 1 when what is shown changed
local last = {0, 'offline'}
local shown = redis.call('HGET', KEYS[1], ARGV[1])
if shown then last = cmsgpack.unpack(shown) end
if last[1] > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({tonumber(ARGV[2]), ARGV[3]}))
if last[2] == ARGV[3] then return 0 end
redis.call('SPUBLISH', ARGV[4], cmsgpack.pack({ARGV[1], ARGV[3]}))
return 1
