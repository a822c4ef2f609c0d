// http-cache-tests against BASE, as a caller who has KEY: node run.mjs PACKAGE BASE KEY OUT [ID,ID…]
// OUT gets {"tests": [{id, suite, kind, depends_on}], "results": {id: true | [kind, message]}, "published": [{file, name, version}]}.
// Without ids all tests run that are not for browsers alone.
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [folder, base, key, out, only] = process.argv.slice(2)
const part = name => import(pathToFileURL(path.join(folder, ...name.split('/'))))
const { runTests, getResults } = await part('client/runner.mjs')
const { default: suites } = await part('tests/index.mjs')
const { default: published } = await part('results/index.mjs')
const fetch = createRequire(path.join(folder, 'package.json'))('node-fetch')

const asCaller = (url, init = {}) => fetch(url, { ...init, headers: [...(init.headers || []), ['X-Api-Key', key]] })
const wanted = only ? new Set(only.split(',')) : undefined
const chosen = suites.map(suite => ({ ...suite, tests: suite.tests.filter(test => !test.browser_only && (!wanted || wanted.has(test.id))) }))
const tests = chosen.flatMap(suite => suite.tests.map(test => (
  { id: test.id, suite: suite.name, kind: test.kind || 'required', depends_on: test.depends_on || [] })))

await runTests(chosen, asCaller, false, base)
fs.writeFileSync(out, JSON.stringify({ tests, results: getResults(), published: published.map(({ file, name, version }) => ({ file, name, version })) }))
