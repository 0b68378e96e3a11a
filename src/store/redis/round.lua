-- outcome:1 round
--
-- What an exchange asks beside its scopes: who is there, and what they have written to each other.
--
-- KEYS[1] is the hash tag of the deployment, and all keys in here begin with it:
--   <tag>:i             instances, by when they were here last
--   <tag>:n:<half>      notes to the instance whose number ends so
--   <tag>:s:<instance>  the last batch of the instance that brought notes
-- ARGV: the instance, the half of its number that names its notes, a name for the notes it brings, and for
-- each of these the half of whom it is for, and the note.

local tag = KEYS[1]
local instance, half, batch = ARGV[1], ARGV[2], ARGV[3]

local THERE_FOR = 60000          -- ms
local NOTES_LAST = 60000         -- ms
local NOTES_MOST = 1024          -- to one instance
local NOTE_MOST = 128            -- bytes
local BATCH_LASTS = 600000       -- ms, longer than anybody repeats a batch

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mended = 0

local function text(number)
  return string.format('%.0f', number)
end

-- Removes what stands in the way of a command that was refused for its type, and calls it again.
local function call(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    if not string.find(answer.err, 'WRONGTYPE', 1, true) then
      return redis.call(command, key, ...)
    end
    redis.call('UNLINK', key)
    mended = mended + 1
    answer = redis.call(command, key, ...)
  end
  return answer
end

local key = tag .. ':i'
call('ZADD', key, text(now), instance)
redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. text(now - THERE_FOR))
-- Of a clock that was set back.
redis.call('ZREMRANGEBYSCORE', key, '(' .. text(now + THERE_FOR), '+inf')
redis.call('PEXPIRE', key, 2 * THERE_FOR)
local instances = redis.call('ZCARD', key)

if batch ~= '' then
  key = tag .. ':s:' .. instance
  if redis.pcall('GET', key) ~= batch then
    redis.call('SET', key, batch, 'PX', BATCH_LASTS)
    for i = 4, #ARGV - 1, 2 do
      key = tag .. ':n:' .. ARGV[i]
      call('RPUSH', key, ARGV[i + 1])
      redis.call('LTRIM', key, -NOTES_MOST, -1)
      redis.call('PEXPIRE', key, NOTES_LAST)
    end
  end
end

local notes = {}
for _, note in ipairs(call('LPOP', tag .. ':n:' .. half, NOTES_MOST) or {}) do
  if #note <= NOTE_MOST and string.find(note, '^[ -~]+$') then
    notes[#notes + 1] = note
  else
    mended = mended + 1
  end
end

return { math.floor(time[1] / 10), instances, mended, notes }
