// Fastify with @fastify/http-proxy and @fastify/rate-limit: key, mapping, injection, limit by element, counters. No cache of answers.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire('{{modules}}/')
const fastify = require('fastify')
const { callers, instances } = JSON.parse(readFileSync('{{folder}}/tables.json', 'utf8'))
const counters = new Map()

const app = fastify({ logger: false, bodyLimit: 1024 * 1024 * 1024, keepAliveTimeout: 600000, maxRequestsPerSocket: 0 })

app.addHook('onRequest', async (request, reply) => {
  if (request.url === '/metrics') return
  const { headers } = request
  if (!Object.hasOwn(callers, headers.authorization ?? '')) return reply.code(401).send()
  const injected = instances[`${headers['gateway-customer']}/${headers['gateway-element']}`]
  if (!injected) return reply.code(404).send()
  request.injected = injected
  request.element = headers['gateway-element']
})
app.addHook('onResponse', async (request, reply) => {
  const name = `element="${request.element ?? ''}",status="${reply.statusCode}"`
  counters.set(name, (counters.get(name) ?? 0) + 1)
})
app.get('/metrics', async () => [...counters].map(([name, value]) => `calls_total{${name}} ${value}\n`).join(''))

await app.register(require('@fastify/rate-limit'), {
  max: {{calls_per_second}},
  timeWindow: 1000,
  keyGenerator: (request) => request.element ?? 'metrics'
})
await app.register(require('@fastify/http-proxy'), {
  upstream: 'http://{{origin}}',
  undici: { connections: 256, pipelining: 1, keepAliveTimeout: 600000, headersTimeout: 120000, bodyTimeout: 120000 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => {
      const { 'gateway-customer': customer, 'gateway-element': element, ...rest } = headers
      return { ...rest, authorization: request.injected }
    }
  }
})
await app.listen({ host: '127.0.0.1', port: {{port}}, backlog: 4096 })
