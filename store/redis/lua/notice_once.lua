-- Tell a person something over their channel, unless it was told before under this name.
-- KEYS  1 the name's mark
-- ARGV  1 how long the mark stays, s  2 channel  3 message
-- gives how many hubs heard it, or -1 when it was told before
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return -1 end
return redis.call('SPUBLISH', ARGV[2], ARGV[3])
