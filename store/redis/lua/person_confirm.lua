-- The reserved session exists: hold the person for as long as it lasts, and tell the hubs they are on.
-- KEYS  1 person
-- ARGV  1 session id  2 channel
-- gives 1, or 0 when the reservation is somebody else's by now
if redis.call('HGET', KEYS[1], 'lock') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'until_ms')
redis.call('SPUBLISH', ARGV[2], cmsgpack.pack({'attach', ARGV[1]}))
return 1
