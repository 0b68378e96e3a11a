-- outcome:1 share
--
-- Everything an instance asks of one scope, in one step: adds what it brings, returns the buckets that it
-- has not seen, lengthens the cooldown, hands out the lease to probe. Time is the server's.
--
-- KEYS[1] is the hash tag of the scope, and all its keys begin with it:
--   <tag>:b:<number>    a bucket of ten seconds: a hash of counters, and its stamp under ''
--   <tag>:s:<instance>  the last sequence number that the instance has brought, and the bucket it went to
--   <tag>:c             is there for as long as the group is to be left alone
--   <tag>:p             who holds the lease
-- The number of a bucket is only known in here, so its key cannot be declared. A cluster routes by the tag
-- and finds all of them in its slot; declaring the other three as well would only cost bytes.
--
-- What stands in these keys need not be ours. What makes no sense is removed, and counted. Looking at every
-- counter each time would cost more than all the rest, so the stamp says how many there are: if there are
-- others, or they are too long, they are looked at. Whoever reads them looks at them anyway.

local tag = KEYS[1]
local instance, sequence, seen_bucket, seen_version, cooldown, asks, budget, added =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6],
  tonumber(ARGV[7]), ARGV[8]

local LIVE = 15                  -- buckets that are read
local BUCKET_LASTS = 150000      -- ms
local SEQUENCE_LASTS = 600000    -- ms, longer than anybody repeats a batch
local COOLDOWN_MOST = 3600000    -- ms
local WORTH_TELLING = 100        -- ms by which a cooldown grows before others are told at once
local LEASE_LASTS = 2000         -- ms
local FIELDS_MOST = 65536        -- counters of a bucket
local ADDED_MOST = 4096          -- counters of a batch
local STEP_MOST = 1000000000     -- by which a counter grows in a batch
local NAME_MOST = 48             -- bytes
local COUNT_MOST = 16            -- digits
local EXACT_MOST = 9007199254740991  -- 2^53 - 1: beyond it, Lua's numbers are not exact
local VERSION_MOST = 4503599627370496 -- 2^52 us: not before 2112
local STAMP = ''                 -- no counter has this name
local WIDE = 64                  -- counters, see stamp()
local CHUNK = 2000               -- values on the Lua stack

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local current = math.floor(time[1] / 10)
local mended = 0

local function text(number)
  return string.format('%.0f', number)
end

local function key_of(number)
  return tag .. ':b:' .. text(number)
end

local function remove(key)
  redis.call('UNLINK', key)
  mended = mended + 1
end

-- The version of a bucket and how many fields it should have. A server keeps a hash of short values as a
-- list, up to 512 of them, and searches it from the front for each: adding to 320 counters took five times
-- as long as in a table. A value of over 64 bytes makes it one.
local function stamp(key, version, fields, wide)
  redis.call('HSET', key, STAMP, string.format(wide and '%060.0f %06.0f' or '%.0f %.0f', version, fields))
  return fields
end

-- What the stamp of a bucket says, or nothing where there is none.
local function stamp_of(number)
  local key = key_of(number)
  local found = redis.pcall('HGET', key, STAMP)
  if type(found) == 'table' then remove(key) end
  if type(found) ~= 'string' then return nil end
  local version, fields = string.match(found, '^(%d+) (%d+)$')
  version = #found <= 80 and tonumber(version)
  if not version or version > VERSION_MOST then return 0, -1 end
  return version, tonumber(fields)
end

-- Removes what is no counter.
local function clean(key)
  local all, bad = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    local name, count = all[i], all[i + 1]
    local good = #name <= NAME_MOST and string.find(name, '^[ -~]+$')
      and #count <= COUNT_MOST and string.find(count, '^%d+$') and tonumber(count) <= EXACT_MOST
    if not good and name ~= STAMP then bad[#bad + 1] = name end
  end
  mended = mended + #bad
  for first = 1, #bad, CHUNK do
    redis.call('HDEL', key, unpack(bad, first, math.min(first + CHUNK - 1, #bad)))
  end
end

-- Sees to it that a bucket holds counters only, and not too many, if its stamp does not say so.
local function check(key, fields)
  local there = redis.call('HLEN', key)
  if there > FIELDS_MOST + 1 then
    remove(key)
    return 0
  end
  if there == fields then return there end
  clean(key)
  return redis.call('HLEN', key)
end

-- The fields of a bucket and how many there are.
local function read(number, version, fields, checked)
  local key = key_of(number)
  local there = checked and fields or check(key, fields)
  local all = table.concat(redis.call('HGETALL', key), '\n')
  if #all > 128 + there * (NAME_MOST + COUNT_MOST + 2) then
    clean(key)
    all = table.concat(redis.call('HGETALL', key), '\n')
    fields = nil
  end
  if there == 0 then return '', 0 end
  if there ~= fields then there = stamp(key, version, redis.call('HLEN', key), there > WIDE) end
  return all, there
end

-- Adds what the batch brings to the current bucket, and returns its stamp.
local function add()
  local key = key_of(current)
  local before, fields = stamp_of(current)
  local after = stamp_of(current + 1) -- is there if the clock was set back
  local version = math.max(now, (before or 0) + 1, (after or 0) + 1)
  if version > VERSION_MOST then version = now end
  local there = check(key, fields or 0)
  local wide = there > WIDE or #added > 16 * WIDE
  local new = not before or there == 0
  if wide or new then stamp(key, version, 0, wide) end
  local steps = 0
  for name, step in string.gmatch(added, '([ -~]+)\n(%d+)') do
    steps = steps + 1
    if steps > ADDED_MOST then break end
    if #step > 9 then step = text(math.min(tonumber(step), STEP_MOST)) end
    if #name <= NAME_MOST and (there + steps < FIELDS_MOST
        or redis.call('HLEN', key) <= FIELDS_MOST or redis.call('HEXISTS', key, name) == 1) then
      local sum = redis.pcall('HINCRBY', key, name, step)
      if type(sum) == 'table' or sum < 0 or sum - step > EXACT_MOST then
        redis.call('HSET', key, name, step) -- was no count before
        mended = mended + 1
      elseif sum > EXACT_MOST then
        redis.call('HSET', key, name, text(EXACT_MOST))
      end
    end
  end
  fields = stamp(key, version, redis.call('HLEN', key), wide)
  if new then redis.call('PEXPIRE', key, BUCKET_LASTS) end
  return version, fields
end

-- Says where an earlier batch of this number went, if there was one.
local function brought_before(key)
  local last = redis.pcall('GET', key)
  if type(last) ~= 'string' then return false end
  local earlier, bucket = string.match(last, '^(%d+) (%d+)$')
  if not earlier or #earlier ~= #sequence or #bucket > 15 or earlier < sequence then return false end
  if earlier == sequence then return true, tonumber(bucket) end
  -- A batch that was long on its way; or not ours, as it would end in time.
  local left = redis.call('PTTL', key)
  return left > 0 and left <= SEQUENCE_LASTS
end

-- What is left of a key that ends in time, in ms.
local function left_of(key, most)
  local left = redis.call('PTTL', key)
  if left == -1 then
    remove(key)
  elseif left > most then
    redis.call('PEXPIRE', key, most)
    mended = mended + 1
  end
  return math.max(0, math.min(left, most))
end

local added_to, version_now, fields_now = false, nil, nil
if added ~= '' then
  local key = tag .. ':s:' .. instance
  local before, bucket = brought_before(key)
  if before then
    added_to = bucket or false
  else
    added_to = current
    -- First, so that whatever fails after it is lost and not counted twice.
    redis.call('SET', key, sequence .. ' ' .. text(current), 'PX', SEQUENCE_LASTS)
    version_now, fields_now = add()
  end
end

local buckets = {}
if budget > 0 then
  local first = current - LIVE + 1
  -- What was seen in the future is of another clock.
  local seen = seen_bucket and seen_bucket <= current + 1
  if seen then first = math.max(first, seen_bucket - 1) end
  if current - first > 2 then
    -- Of a scope where nothing happens, or nothing has yet.
    local keys = {}
    for number = first, current do keys[#keys + 1] = key_of(number) end
    if redis.call('EXISTS', unpack(keys)) == 0 then first = current + 1 end
  end
  for number = first, current do
    local version, fields = version_now, fields_now
    if number < current or not version then version, fields = stamp_of(number) end
    local new = not seen or number > seen_bucket
      or (number == seen_bucket and version ~= seen_version)
      or (number < seen_bucket and version and version > seen_version)
    if version and new then
      local all, there = read(number, version, fields, version == version_now)
      budget = budget - there
      -- The others are asked for next time, as what is newest here is what was seen then.
      if budget < 0 and #buckets > 0 then break end
      buckets[#buckets + 1] = number
      buckets[#buckets + 1] = version
      buckets[#buckets + 1] = there
      buckets[#buckets + 1] = all
    end
  end
end

local key = tag .. ':c'
local cools = left_of(key, COOLDOWN_MOST)
cooldown = math.min(cooldown, COOLDOWN_MOST)
if cooldown > cools then
  redis.call('SET', key, instance, 'PX', text(cooldown))
  if cooldown > cools + WORTH_TELLING then
    local deployment, scope = string.match(tag, '^{(.*):(%x+)}$')
    -- Who may not publish still has it in the key.
    redis.pcall('PUBLISH', deployment .. ':cooldowns', instance .. ' ' .. scope .. ' ' .. text(cooldown))
  end
  cools = cooldown
end

local granted, leased = false, 0
if asks ~= '' then
  key = tag .. ':p'
  leased = left_of(key, LEASE_LASTS)
  local owner = leased > 0 and redis.pcall('GET', key)
  if type(owner) == 'string' then
    granted = owner == instance
  else
    if leased > 0 then mended = mended + 1 end
    redis.call('SET', key, instance, 'PX', LEASE_LASTS)
    granted, leased = true, LEASE_LASTS
  end
end

return { current, added_to, cools, granted and 1 or 0, leased, mended, buckets }
