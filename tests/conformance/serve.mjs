// The origin of http-cache-tests on a loopback port of the system's choice: node serve.mjs PACKAGE
// It prints "Listening on http://127.0.0.1:PORT/".
import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const listen = http.Server.prototype.listen
http.Server.prototype.listen = function (port) {
  // By itself it listens everywhere, and hangs up idle connections after 5 s, which a PUT on its way may meet.
  this.keepAliveTimeout = 300_000
  return listen.call(this, port, '127.0.0.1')
}
await import(pathToFileURL(path.join(process.argv[2], 'server', 'server.mjs')))
