import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/index.ts'
import { consumer } from '../consumer.ts'
import { GROUP, HeldHandler, LETTERS, TOPIC, World, letterHeader, text } from '../fixtures.test.ts'
import type { Running, TransactionalCtx, UntypedOptions, WithExactlyOnce } from '../options.ts'

const OUT = 'out'

type Options = Partial<WithExactlyOnce<unknown>>

class Exactly extends World {
  constructor(partitionCount = 1) {
    super(partitionCount)
    this.broker.createTopic(OUT, 1)
  }

  async run(options: Options): Promise<Running> {
    const running = await consumer({
      group: GROUP,
      source: this.broker.source({ topics: [TOPIC] }),
      exactlyOnce: true,
      clock: this.clock,
      timers: this.clock,
      random: seededRandom(1),
      logger: this.logger,
      handle: forward,
      ...options,
    }).start()
    await this.pass(5)
    return running
  }

  get out(): (string | null)[] {
    return this.broker.records(OUT, 0).map(({ value }) => text(value))
  }

  crash(): void {
    this.broker.group(GROUP).crash(this.memberIds[0]!)
  }
}

const forward = (_value: unknown, ctx: TransactionalCtx) =>
  ctx.send({ topic: OUT, key: ctx.key, value: `${ctx.partition}/${ctx.offset}` })

const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index % 5}`)

describe('exactly once', () => {
  test('what a handler sends is there with the position of its record, not before', async () => {
    const world = new Exactly()
    world.produce(keys(4))
    const held = new HeldHandler()
    const running = await world.run({
      handle: async (value, ctx) => {
        ctx.send({ topic: OUT, value: String(ctx.offset), headers: { from: 'a' } })
        await held.handle(value, ctx)
      },
    })
    for (const offset of [1, 2, 3]) held.at(offset).done()
    await world.pass(500)
    assert.deepEqual(world.out, [])
    await world.pass(600)
    // Done beyond the first open record, and said so in the metadata.
    assert.deepEqual([world.out, world.committed()], [['1', '2', '3'], 0])
    held.at(0).done()
    await world.drain(running)
    assert.deepEqual([world.out, world.committed()], [['1', '2', '3', '0'], 4])
  })

  test('a failed attempt sends nothing; its dead letter goes with the position', async () => {
    const world = new Exactly()
    world.produce(keys(3))
    const running = await world.run({
      deadLetter: LETTERS,
      retry: { attempts: 2, backoff: { kind: 'fixed', base: 10, jitter: 'none' } },
      handle: (_value, ctx) => {
        forward(_value, ctx)
        if (ctx.offset === 1) throw new Error('no')
        return ctx.offset === 2 ? { skip: 'not this one' } : undefined
      },
      commit: { every: 60_000 },
    })
    await world.pass(100)
    const letters = world.broker.records(LETTERS, 0)
    assert.deepEqual([world.out, letters.length, world.committed()], [['0/0'], 1, 3])
    assert.equal(letterHeader(letters[0], 'attempts'), '2')
    const { handled, deadLettered, skipped } = await world.drain(running)
    assert.deepEqual([handled, deadLettered, skipped], [1, 1, 1])
  })

  test('an aborted transaction is tried again with the same outputs, in their order', async () => {
    const world = new Exactly()
    let failures = 0
    world.produce(keys(20))
    world.broker.faults.commit = (_, positions) =>
      positions.some(({ outputs = [] }) => outputs.length > 0) && failures++ < 3
        ? { outcome: failures === 2 ? 'thrown' : 'refused' }
        : undefined
    const running = await world.run({ order: 'partition' })
    await world.pass(5_000)
    assert.equal(failures, 4)
    assert.deepEqual(
      world.out,
      Array.from({ length: 20 }, (_, offset) => `0/${offset}`),
    )
    await world.drain(running)
  })

  test('an output that the broker never takes: its record goes to the dead letters, the others are there', async () => {
    const world = new Exactly()
    world.produce(keys(5))
    world.broker.faults.output = ({ topic, value }) =>
      topic === OUT && text(value) === '0/3' ? 'MESSAGE_TOO_LARGE' : undefined
    const running = await world.run({ deadLetter: LETTERS })
    await world.pass(3_000)
    assert.deepEqual(world.out, ['0/0', '0/1', '0/2', '0/4'])
    const letters = world.broker.records(LETTERS, 0)
    assert.deepEqual(
      [letterHeader(letters[0], 'reason'), letterHeader(letters[0], 'origin-offset')],
      ['output-refused', '3'],
    )
    assert.equal(world.committed(), 5)
    assert.equal((await world.drain(running)).deadLettered, 1)
  })

  test('without a place for dead letters such an output stops the consumer, and nothing of it is committed', async () => {
    const world = new Exactly()
    world.produce(keys(5))
    world.broker.faults.output = () => 'MESSAGE_TOO_LARGE'
    const running = await world.run({})
    await assert.rejects(world.until(running.finished), {
      code: 'SHOAL_HANDLER_FAILED',
      message: /MESSAGE_TOO_LARGE/,
    })
    assert.deepEqual([world.out, world.committed()], [[], 0])
  })

  test('what is sent after the handler ended is refused: it belongs to no transaction', async () => {
    const world = new Exactly()
    world.produce(keys(1))
    let kept: TransactionalCtx | undefined
    const running = await world.run({ handle: (_value, ctx) => void (kept = ctx) })
    await world.pass(10)
    assert.throws(() => kept!.send({ topic: OUT, value: 'late' }), { code: 'SHOAL_CLOSED' })
    await world.drain(running)
    assert.deepEqual(world.out, [])
  })

  test('a completion that the metadata has no room for keeps its outputs until it has', async () => {
    const world = new Exactly()
    world.produce(Array.from({ length: 300 }, (_, index) => `k${index}`))
    const held = new HeldHandler()
    const options: Options = {
      concurrency: 400,
      completionMemory: { maxLength: 64 },
      handle: async (value, ctx) => {
        forward(value, ctx)
        await held.handle(value, ctx)
      },
    }
    const running = await world.run(options)
    for (let offset = 1; offset < 300; offset += 2) held.at(offset).done()
    await world.pass(2_000)
    const some = world.out.length
    assert.ok(some > 0 && some < 150, `${some}`)
    for (let offset = 0; offset < 300; offset += 4) held.at(offset).done()
    await world.pass(2_000)
    world.crash()
    await world.pass(1)
    const next = await world.run({ concurrency: 400, completionMemory: { maxLength: 64 } })
    await world.pass(5_000)
    assert.equal(new Set(world.out).size, 300)
    assert.equal(world.out.length, 300)
    await world.drain(next)
    void running
  })

  test('handlers wait when too much waits for its commit', async () => {
    const world = new Exactly()
    world.produce(keys(50))
    world.broker.faults.commit = (_, positions) =>
      positions.some(({ outputs = [] }) => outputs.length > 0) ? { outcome: 'refused' } : undefined
    const running = await world.run({
      maxOutputBytes: 10_000,
      concurrency: 1,
      handle: (_value, ctx) => ctx.send({ topic: OUT, value: 'x'.repeat(1_000) }),
    })
    await world.pass(2_000)
    const { handled } = running.report()
    assert.ok(handled >= 10 && handled <= 11, `${handled}`)
    delete world.broker.faults.commit
    await world.pass(20_000)
    assert.equal(world.out.length, 50)
    await world.drain(running)
  })

  test('over crashes, rebalances and commits that fail, each output is there once, keys in order', async () => {
    for (let seed = 1; seed <= 40; seed++) await turmoil(seed)
  })

  test('what cannot be kept is refused, by the types and at the start', () => {
    const world = new Exactly()
    const source = world.broker.source({ topics: [TOPIC] })
    const handle = () => {}
    const no = { ...source, capabilities: { ...source.capabilities, transactions: false as const } }
    const refused = (options: object, words: RegExp) =>
      assert.throws(
        () => consumer({ group: GROUP, source, exactlyOnce: true, handle, ...options } as never),
        { code: 'SHOAL_INVALID_ARGUMENT', message: words },
      )
    refused({ source: no }, /exactlyOnce: a source of kind memory has no transactions/)
    refused({ retry: { later: ['1s'] } }, /retry\.later/)
    refused({ batch: { max: 3 } }, /batches/)
    refused({ maxOutputBytes: 0 }, /maxOutputBytes/)
    refused({ exactlyOnce: false, maxOutputBytes: 5 }, /maxOutputBytes: only with exactlyOnce/)
    // @ts-expect-error a source without transactions
    assert.throws(() => consumer({ group: GROUP, source: no, exactlyOnce: true, handle }))
    const typed = consumer({
      group: GROUP,
      source,
      exactlyOnce: true,
      decode: 'text',
      handle: (value, ctx) => ctx.send({ topic: OUT, value }),
    })
    assert.equal(typed.describe().group, GROUP)
    const [promise] = consumer({ group: GROUP, source, exactlyOnce: true, handle }).describe()
      .guarantees
    assert.match(promise!, /^exactly once/)
  })
})

/** Two members that come, go and crash over handlers of uneven speed, and commits that do not happen. */
async function turmoil(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const below = (limit: number) => Math.floor(random.next() * limit)
  const world = new Exactly(2)
  const count = 60
  for (const partition of [0, 1])
    world.produce(
      Array.from({ length: count }, () => `k${below(8)}`),
      partition,
    )
  world.broker.faults.commit = () => {
    const chance = random.next()
    if (chance < 0.2) return { outcome: 'refused', beforeMs: below(50) }
    return chance < 0.3 ? { outcome: 'thrown' } : { beforeMs: below(20), afterMs: below(20) }
  }
  const handle: UntypedOptions['handle'] = async (value, ctx) => {
    await new Promise<void>((resolve) => world.clock.schedule(below(200), resolve))
    forward(value, ctx as TransactionalCtx)
  }
  const options: Options = {
    handle,
    deadLetter: LETTERS,
    concurrency: 1 + below(20),
    commit: { every: 100 },
    completionMemory: below(3) === 0 ? { maxLength: 64 } : true,
    // Innocent records must not be given up by a test that crashes all the time.
    retry: { crashes: false },
  }
  for (let left = 6; left > 0; left--) {
    while (world.memberIds.length < 2) await world.run(options)
    await world.pass(below(600))
    world.crash()
  }
  delete world.broker.faults.commit
  const last = await world.run(options)
  await world.pass(60_000)
  const out = world.broker.records(OUT, 0)
  const values = out.map(({ value }) => text(value))
  assert.equal(new Set(values).size, 2 * count, `seed ${seed}`)
  assert.equal(values.length, 2 * count, `seed ${seed}`)
  const lastOf = new Map<string, number>()
  for (const { key, value } of out) {
    const [partition, offset] = text(value)!.split('/')
    const lane = `${partition} ${text(key)}`
    assert.ok((lastOf.get(lane) ?? -1) < Number(offset), `seed ${seed}: ${lane}`)
    lastOf.set(lane, Number(offset))
  }
  await world.drain(last)
}
