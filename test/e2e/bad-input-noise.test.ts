/**
 * Noise by the ten thousand, over the wire to a real broker: random bytes, other protocols, real requests with wounds. What
 * is sent leaves no memory behind, others are served meanwhile, and the log stays short.
 *
 * The broker gets a small heap, so that garbage does not pass for a leak. The same damage by the hundred thousand, without
 * sockets and with what is kept measured exactly, is test/fuzz/.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { randomBelow, seededRandom, type Random } from '../../src/core/index.ts'
import { goldenPairs } from '../golden/corpus.ts'
import { residentBytes } from '../real/resident-bytes.ts'
import { ShoalProcess } from '../real/shoal.ts'
import { framed, offer, RawClient } from './raw-client.ts'

const MiB = 1024 * 1024
const HEAP_MIB = 64
const AT_ONCE = 50
/** Growth in one round of the same work that counts as none, and the rounds that it may take to get there. */
const LEVEL_MIB = 16
const MOST_ROUNDS = 8
/** One of each kind of complaint. */
const MOST_LINES_A_SECOND = 5
const SEED = Number(process.env['SHOAL_FUZZ_SEED'] ?? 1)

let broker: ShoalProcess
/** A client that does nothing wrong; whatever the others do, it is served. */
let healthy: RawClient

before(async () => {
  broker = await ShoalProcess.start({ heapMiB: HEAP_MIB })
  healthy = await RawClient.connect(broker.port)
})

after(async () => {
  healthy[Symbol.dispose]()
  await broker[Symbol.asyncDispose]()
})

describe('noise', () => {
  test('ten thousand times random bytes, TLS hellos and HTTP requests end their connections', async (context) => {
    const random = seededRandom(SEED)
    const hello = Buffer.from('16030100a5010000a10303', 'hex')
    const http = Buffer.from('POST /topics HTTP/1.1\r\nHost: localhost:9092\r\n\r\n{}')
    const noise = () => {
      const kind = randomBelow(random, 4)
      return kind === 0 ? hello : kind === 1 ? http : random.bytes(1 + randomBelow(random, 2_000))
    }
    const lines = lineCount()
    const startedMs = performance.now()
    await memoryLevelsOff(() => offerMany(10_000, noise))
    const seconds = Math.ceil((performance.now() - startedMs) / 1_000)
    const logged = lineCount() - lines
    context.diagnostic(`${logged} log lines in ${seconds} s`)
    assert.ok(logged < MOST_LINES_A_SECOND * (seconds + 1), `${logged} lines in ${seconds} s`)
  })

  test('twenty thousand recorded requests with wounds leave a broker that serves', async (context) => {
    const random = seededRandom(SEED)
    const bodies = goldenPairs().map((pair) => Buffer.concat([pair.requestHeader, pair.request]))
    let slowestMs = 0
    const offering = new AbortController()
    const watching = (async () => {
      while (!offering.signal.aborted) {
        const startedMs = performance.now()
        assert.ok(await healthy.isServed())
        slowestMs = Math.max(slowestMs, performance.now() - startedMs)
      }
    })()
    const work = memoryLevelsOff(() => offerMany(20_000, () => wounded(random, bodies)))
    await work.finally(() => offering.abort())
    await watching
    context.diagnostic(`seed ${SEED}: others waited ${slowestMs.toFixed(0)} ms at most`)
    assert.ok(slowestMs < 30_000, `others waited ${slowestMs} ms`)
  })
})

async function offerMany(count: number, next: () => Uint8Array): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, () => offer(broker.port, next())))
}

/**
 * Garbage that waits to be collected fills memory once, what is kept fills it every time: of a few times the same work, one
 * must need next to nothing. (Some wounded requests make groups and topics, a few hundred bytes each.)
 */
async function memoryLevelsOff(work: () => Promise<void>): Promise<void> {
  const grown: number[] = []
  do {
    const before = residentBytes(broker.pid)
    await work()
    assert.ok(await healthy.isServed())
    grown.push(Math.round((residentBytes(broker.pid) - before) / MiB))
    assert.ok(grown.length < MOST_ROUNDS, `MiB more resident, round by round: ${grown.join(', ')}`)
  } while ((grown.at(-1) ?? 0) >= LEVEL_MIB)
}

/** A recorded request with one to four wounds. */
function wounded(random: Random, bodies: readonly Buffer[]): Buffer {
  const body = Buffer.from(bodies[randomBelow(random, bodies.length)] ?? [])
  for (let wounds = 1 + randomBelow(random, 4); wounds > 0; wounds--) {
    // Key and version stay: what nobody serves is refused before its body is read.
    const at = 4 + randomBelow(random, body.length - 4)
    const length = 1 + randomBelow(random, 4)
    const end = Math.min(body.length, at + length)
    body.fill(randomBelow(random, 3) === 0 ? random.bytes(length) : 0xff, at, end)
  }
  return framed(body)
}

function lineCount(): number {
  return broker.log.split('\n').length
}
