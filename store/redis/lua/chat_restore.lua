-- Put back messages that were delivered and acknowledged but are missing after the store lost its last moments.
-- What lies between the head and the first one that anybody still has is marked as lost, never skipped.
-- KEYS  1 room  2 chat stream  3 seen hash  4 removed set
-- ARGV  1 highest rev that was seen
--       2 messages: msgpack array of [rev, seq, at_ms, id, participant no, client_id, sealed body, sender,
--         digest of the body of one that is removed, or empty], by seq
--       3 highest seq that was seen
-- gives how many were put back
local room = redis.call('HMGET', KEYS[1], 'rev', 'seq', 'said_ms')
if not room[1] then return 0 end
local rev, seq, said_ms = tonumber(room[1]), tonumber(room[2] or 0), tonumber(room[3] or 0)
local restored = 0
for _, m in ipairs(cmsgpack.unpack(ARGV[2])) do
  if m[2] > seq then
    for gap = seq + 1, m[2] - 1 do
      redis.call('XADD', KEYS[2], gap .. '-0', 'r', rev, 't', m[3], 'lost', '1')
    end
    redis.call('XADD', KEYS[2], m[2] .. '-0',
      'r', m[1], 't', m[3], 'i', m[4], 'p', m[5], 'c', m[6], 'b', m[7], 'u', m[8], 'h', m[9])
    if m[9] ~= '' then redis.call('SADD', KEYS[4], m[2]) end
    redis.call('HSET', KEYS[3], m[8] .. ':' .. m[6], cmsgpack.pack({m[2], m[3], m[4]}))
    seq = m[2]
    rev = math.max(rev, m[1])
    said_ms = math.max(said_ms, m[3])
    restored = restored + 1
  end
end
for gap = seq + 1, tonumber(ARGV[3]) do
  redis.call('XADD', KEYS[2], gap .. '-0', 'r', rev, 't', said_ms, 'lost', '1')
  seq = gap
end
redis.call('HSET', KEYS[1], 'rev', math.max(rev, tonumber(ARGV[1])), 'seq', seq, 'said_ms', said_ms)
return restored
