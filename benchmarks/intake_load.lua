-- wrk script: readings of many meters, each later than the one before, under serials of their own.
-- Arguments: path, AccessToken, Authorization, number of the run, meters.
local threads = 0
local requests = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  path, run, meters = args[1], tonumber(args[4]), tonumber(args[5])
  headers = {
    ["Content-Type"] = "application/json;charset=utf-8",
    ["AccessToken"] = args[2],
    ["Authorization"] = args[3],
  }
  prefix = string.format("%08x%02x", os.time(), run) .. string.format("%02x", id)
  -- Run after run a day later, forty days ago to begin with, in the platform's zone.
  midnight = os.time() + 8 * 3600 - 40 * 86400 + run * 86400
  midnight = midnight - midnight % 86400
end

local template = '{"serialNo":"%s%020d","userNo":"%d","deviceId":"","factorNo":"1","meterNo":"%012d",'
  .. '"billingModel":"3","readNum":"%.2f","addGas":"","sumUseGas":"%.2f","sumUseAmount":"","readDate":"%s",'
  .. '"readTime":"%s","batteryCap":"6.14","semaphore":"59.0%%","temperature":"20.5","standardTotalValue":"",'
  .. '"workTotalValue":"","standardInstantValue":"","workInstantValue":"","pressureValue":"","valveState":"2",'
  .. '"curPrice":"1.4","meterBalance":"100.5","companyCode":"1","sdateTime":"%s"}'

function request()
  -- Threads take turns with the meters: thread 0 has the odd ones, thread 1 the even ones.
  local number = requests * 2 + id
  requests = requests + 1
  local meter = number % meters + 1
  local pass = math.floor(number / meters)
  local at = midnight + 3600 + pass * 60
  local index = 2 + run * 10 + pass * 0.01
  local body = string.format(template, prefix, number, meter, meter, index, index,
    os.date("!%Y%m%d", at), os.date("!%H%M%S", at), os.date("!%Y-%m-%d", at))
  return wrk.format("POST", path, headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %.3f, "failed": %d, "p50_ms": %.2f, "p99_ms": %.2f}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
