/**
 * Records what passes between a real client and a real broker, and picks a small corpus from it.
 *
 *   node --conditions=@shoal/source test/golden/record.ts record --listen 9496 --to 9494 --client kafkajs-2.2.4 --out raw.jsonl
 *   node --conditions=@shoal/source test/golden/record.ts pick raw.jsonl > corpus.jsonl
 *
 * `record` is a proxy: it forwards bytes as they come and looks at the frames in passing. The broker must advertise the
 * port that it listens on, or clients go round it. Pairs are kept of APIs that have a schema here; what else passes is
 * counted on the standard error. Used by hand, when an API is added or a client changes.
 */

import { appendFileSync, readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { allApis, Reader, readRequestHeader, type Api } from '../../src/protocol/index.ts'

/** Larger pairs are left out: the corpus is read at every run of the tests. */
const LARGEST_PAIR_BYTES = 6 * 1024
const MOST_PAIRS_PER_API_VERSION = 6

const apis: ReadonlyMap<number, Api> = new Map(allApis.map((api): [number, Api] => [api.key, api]))

interface Line {
  readonly api: number
  readonly version: number
  readonly correlation: number
  readonly client: string
  readonly requestHeader: string
  readonly request: string
  readonly responseHeader: string
  readonly response: string
}

type Request = Omit<Line, 'responseHeader' | 'response'>

function record(options: { listen: string; to: string; client: string; out: string }): void {
  let unknown = 0
  const server = createServer((downstream) => {
    const upstream = connect(Number(options.to), '127.0.0.1')
    const waiting = new Map<number, Request>()
    onFrames(downstream, (frame) => {
      const request = readRequest(frame, options.client)
      if (request === undefined) unknown++
      else waiting.set(request.correlation, request)
    })
    onFrames(upstream, (frame) => {
      const correlation = frame.readInt32BE(0)
      const request = waiting.get(correlation)
      waiting.delete(correlation)
      if (request !== undefined)
        appendFileSync(
          options.out,
          `${JSON.stringify({ ...request, ...readResponse(request, frame) })}\n`,
        )
    })
    for (const [from, to] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy()).on('close', () => to.destroy())
    }
  })
  server.listen(Number(options.listen), '127.0.0.1', () =>
    process.stderr.write(`recording 127.0.0.1:${options.listen} -> 127.0.0.1:${options.to}\n`),
  )
  process.once('SIGINT', () => {
    process.stderr.write(`${unknown} requests of APIs without a schema were not recorded\n`)
    process.exit(0)
  })
}

function readRequest(frame: Buffer, client: string): Request | undefined {
  const reader = new Reader(frame)
  const { apiKey, version, correlationId } = readRequestHeader(reader)
  const api = apis.get(apiKey)
  if (api === undefined) return undefined
  if (api.requestHeaderVersion(version) === 2) reader.skipTagged()
  return {
    api: apiKey,
    version,
    correlation: correlationId,
    client,
    requestHeader: frame.toString('hex', 0, reader.position),
    request: frame.toString('hex', reader.position),
  }
}

function readResponse({ api, version }: Request, frame: Buffer) {
  const reader = new Reader(frame)
  reader.int32()
  if (apis.get(api)?.responseHeaderVersion(version) === 1) reader.skipTagged()
  return {
    responseHeader: frame.toString('hex', 0, reader.position),
    response: frame.toString('hex', reader.position),
  }
}

/** Calls `onFrame` with each whole frame, without its length, whatever the sizes of the chunks. */
function onFrames(socket: Socket, onFrame: (frame: Buffer) => void): void {
  let pending = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
      const end = 4 + pending.readInt32BE(0)
      onFrame(pending.subarray(4, end))
      pending = pending.subarray(end)
    }
  })
}

/** Keeps of each API version and client the first pair and the richest; of a login its first two steps. */
function pick(path: string): void {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  const pairs = lines.map((line) => JSON.parse(line) as Line)
  const small = pairs.filter((pair) => size(pair) <= 2 * LARGEST_PAIR_BYTES)
  const byClient = Map.groupBy(small, ({ api, version, client }) => `${api}/${version}/${client}`)
  const chosen = [...byClient.values()].flatMap(choose)
  const byVersion = Map.groupBy(chosen, ({ api, version }) => api * 1_000 + version)
  for (const [, same] of [...byVersion].toSorted(([left], [right]) => left - right))
    for (const pair of same.slice(0, MOST_PAIRS_PER_API_VERSION))
      process.stdout.write(`${JSON.stringify(pair)}\n`)
}

function choose(pairs: readonly Line[]): readonly Line[] {
  const [first, second] = pairs
  if (first === undefined || second === undefined) return pairs
  if (apis.get(first.api)?.name === 'SaslAuthenticate') return [first, second]
  const richest = pairs.reduce((best, pair) => (size(pair) > size(best) ? pair : best))
  return richest.response.length === first.response.length ? [richest] : [first, richest]
}

function size({ request, response }: Line): number {
  return request.length + response.length
}

const text = { type: 'string', default: '' } as const
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { listen: text, to: text, client: text, out: text },
})
const [command, path] = positionals
if (command === 'record') record(values)
else if (command === 'pick' && path !== undefined) pick(path)
else
  process.stderr.write(
    'usage: record.ts record --listen PORT --to PORT --client NAME --out FILE | pick FILE\n',
  )
