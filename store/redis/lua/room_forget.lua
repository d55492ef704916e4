-- A guest's part of a room is on record: acknowledge its settlement and let the room's keys expire.
-- KEYS  1 settlement stream  2 index zset  3.. the room's keys
-- ARGV  1 group  2 entry id | ''  3 session id  4 ttl_s
if ARGV[2] ~= '' then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
redis.call('ZREM', KEYS[2], ARGV[3])
for i = 3, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return 1
