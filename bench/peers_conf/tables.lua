-- Who may call, and what stands for each customer and element: read from lines, for a table of a hundred thousand is too long for Lua.
local tables = { callers = {}, instances = {} }
for key in io.lines("{{folder}}/callers.txt") do
  tables.callers["Bearer " .. key] = true
end
for line in io.lines("{{folder}}/instances.txt") do
  local customer, element, authorization = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
  local elements = tables.instances[customer] or {}
  elements[element] = { authorization = authorization, element = element, tenant = "dev/" .. customer .. "/" .. element }
  tables.instances[customer] = elements
end
return tables
