-- READ for a client that holds validators: KEYS scope; ARGV field, validators.
-- Returns incarnation, floor, header, body unless a validator matched, 1 if one did, and the server's clock.
local kept = redis.call('HMGET', KEYS[1], 'i', 'f', 'h:' .. ARGV[1])
local etag = kept[3] and string.match(kept[3], '^%d+\n([^\n]*)\n')
local matched = 0
for at = 2, #ARGV do
  if ARGV[at] == etag then matched = 1 end
end
local body = matched == 0 and redis.call('HGET', KEYS[1], 'b:' .. ARGV[1])
local time = redis.call('TIME')
return {kept[1], kept[2], kept[3], body, matched, time[1], time[2]}
