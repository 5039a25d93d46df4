-- FILL: KEYS scope [stale copies]; ARGV incarnation, field, rev, header, body, p|n (page or not), bytes of the entry, pages at most,
-- bytes at most, scope ttl ms, copies ttl ms.
-- Stores an entry, unless the scope was lost since OPEN, the entry was invalidated since, or a newer one is there.
local function rev_of(header)
  return header and string.match(header, '^%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d(%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d)\n')
end
local function store(key, header)
  local order = redis.call('HGET', key, 'x') or ''
  local lines, total, pages = {}, 0, 0
  local function add(line, kind, bytes, field)
    lines[#lines + 1] = {line, kind, tonumber(bytes), field}
    total, pages = total + bytes, pages + (kind == 'p' and 1 or 0)
  end
  for line, kind, bytes, field in string.gmatch(order, '(([pn]) (%d+) (%S+)\n)') do
    if field ~= ARGV[2] then add(line, kind, bytes, field) end
  end
  add(ARGV[6] .. ' ' .. ARGV[7] .. ' ' .. ARGV[2] .. '\n', ARGV[6], ARGV[7], ARGV[2])
  local kept, dropped = '', {}
  for at, line in ipairs(lines) do
    if at < #lines and ((line[2] == 'p' and pages > tonumber(ARGV[8])) or total > tonumber(ARGV[9])) then
      dropped[#dropped + 1], dropped[#dropped + 2] = 'h:' .. line[4], 'b:' .. line[4]
      total, pages = total - line[3], pages - (line[2] == 'p' and 1 or 0)
    else
      kept = kept .. line[1]
    end
  end
  -- Writes first: out of memory then refuses the whole script before anything was dropped.
  redis.call('HSET', key, 'h:' .. ARGV[2], header, 'b:' .. ARGV[2], ARGV[5], 'x', kept)
  if #dropped > 0 then redis.call('HDEL', key, unpack(dropped)) end
end
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 'incarnation' end
local kept = redis.call('HMGET', KEYS[1], 'i', 'f', 'l', 'h:' .. ARGV[2])
if kept[1] ~= ARGV[1] then return 'incarnation' end
if not kept[2] or ARGV[3] < kept[2] then return 'floor' end
local existing = rev_of(kept[4])
if existing and ARGV[3] < existing then return 'entry' end
local time = redis.call('TIME')
local header = string.format('%015.0f', time[1] * 1000 + math.floor(time[2] / 1000)) .. ARGV[4]
store(KEYS[1], header)
local leases = ''
for line, field in string.gmatch(kept[3] or '', '(%d+ %S+ (%S+)\n)') do
  if field ~= ARGV[2] then leases = leases .. line end
end
redis.call('HSET', KEYS[1], 'l', leases)
redis.call('PEXPIRE', KEYS[1], ARGV[10])
if KEYS[2] then
  if redis.call('TYPE', KEYS[2]).ok ~= 'hash' then redis.call('DEL', KEYS[2]) end
  existing = rev_of(redis.call('HGET', KEYS[2], 'h:' .. ARGV[2]))
  if not existing or ARGV[3] >= existing then
    redis.call('HSET', KEYS[2], 'i', '-', 'f', '00000000000000000000')
    store(KEYS[2], header)
    redis.call('PEXPIRE', KEYS[2], ARGV[11])
  end
end
return 'stored'
