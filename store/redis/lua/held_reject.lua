-- A message that was held is not delivered.
-- KEYS  1 held hash  2 held due zset
-- ARGV  1 message id  2 session id  3 channel  4 notice to the observers, ready for the channel
-- gives 1, or 0 when somebody else has decided
redis.call('ZREM', KEYS[2], ARGV[2] .. '/' .. ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('SPUBLISH', ARGV[3], ARGV[4])
return 1
