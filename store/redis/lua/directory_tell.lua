-- Tell everybody who watches what a practitioner offers by now, with the status that is shown.
-- KEYS  1 directory hash
-- ARGV  1 user  2 details, as JSON text  3 channel
-- gives 1
local status = 'offline'
local shown = redis.call('HGET', KEYS[1], ARGV[1])
if shown then status = cmsgpack.unpack(shown)[2] end
redis.call('SPUBLISH', ARGV[3], cmsgpack.pack({ARGV[1], status, ARGV[2]}))
return 1
