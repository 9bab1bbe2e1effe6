import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeCompletions } from '../completion/completion-map.ts'
import { GROUP, HeldHandler, LETTERS, TOPIC, World, letterHeader } from '../fixtures.test.ts'
import type { WorldOptions } from '../fixtures.test.ts'
import type { Ctx, Running } from '../options.ts'
import { telemetry } from '../telemetry.ts'
import type { SuspectEvent } from '../telemetry.ts'

const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`)

/** Members that follow one another: each works until one of its records kills the process. */
class Deaths {
  readonly world: World
  /** Executions that ended, by record id. */
  readonly handled = new Map<string, number>()
  /** What ran when the process died, one list for each death. */
  readonly inFlight: string[][] = []
  running: Running | null = null

  constructor(world: World) {
    this.world = world
  }

  /** Starts a member after the other until one lives; `poison` says which records kill. */
  async live(poison: (ctx: Ctx) => boolean, options: WorldOptions = {}, most = 20): Promise<void> {
    for (let left = most; left > 0; left--) {
      const dead = await this.#member(poison, options)
      if (!dead) return
    }
    assert.fail(`${most} deaths`)
  }

  async #member(poison: (ctx: Ctx) => boolean, options: WorldOptions): Promise<boolean> {
    const { world, handled } = this
    const now = new Set<string>()
    const state = { dead: false }
    this.running = await world.start({
      deadLetter: LETTERS,
      ...options,
      handle: async (_value: unknown, ctx: Ctx) => {
        if (state.dead) return new Promise<never>(() => {})
        now.add(ctx.id)
        // The others are at work when it happens.
        await new Promise<void>((resolve) => world.clock.schedule(5, resolve))
        if (poison(ctx) && !state.dead) {
          state.dead = true
          this.inFlight.push([...now])
          world.broker.group(GROUP).crash(world.memberIds[0]!)
        }
        if (state.dead) return new Promise<never>(() => {})
        now.delete(ctx.id)
        handled.set(ctx.id, (handled.get(ctx.id) ?? 0) + 1)
      },
    })
    for (let left = 60; !state.dead && left > 0; left--) await world.pass(50)
    return state.dead
  }
}

const isPoison = ({ partition, offset }: Ctx) => partition === 1 && offset === 57

describe('a record that kills the process', () => {
  test('is found among all that ran with it, and goes to the dead letters; nothing else does', async () => {
    const world = new World(2)
    for (const partition of [0, 1]) world.produce(keys(200), partition)
    const events: SuspectEvent[] = []
    const listen = (event: SuspectEvent) => void events.push(event)
    telemetry.suspect.subscribe(listen)
    const deaths = new Deaths(world)
    await deaths.live(isPoison)
    telemetry.suspect.unsubscribe(listen)
    // 100 at once, then 64, 8, 1.
    const sizes = deaths.inFlight.map((ids) => ids.length)
    assert.equal(sizes.length, 4)
    assert.ok(sizes[0]! > 64 && sizes[1]! <= 64 && sizes[2]! <= 8, sizes.join())
    assert.deepEqual(deaths.inFlight[3], [`${TOPIC}/1/57`])
    const letters = world.broker.records(LETTERS, 0)
    assert.equal(letters.length, 1)
    assert.deepEqual(
      ['reason', 'attempts', 'origin-offset'].map((name) => letterHeader(letters[0], name)),
      ['process-died', '3', '57'],
    )
    assert.equal(deaths.handled.size, 399)
    assert.deepEqual([world.committed(0), world.committed(1)], [200, 200])
    const given = events.filter(({ kind }) => kind === 'given-up')
    assert.deepEqual(
      given.map(({ partition, offset, starts }) => [partition, offset, starts]),
      [[1, 57, 3]],
    )
    await world.drain(deaths.running!)
    assert.equal(world.broker.group(GROUP).committed(TOPIC, 1)?.metadata, '')
  })

  test('two of them are found one after the other', async () => {
    const world = new World(2)
    for (const partition of [0, 1]) world.produce(keys(150), partition)
    const deaths = new Deaths(world)
    await deaths.live((ctx) => isPoison(ctx) || (ctx.partition === 0 && ctx.offset === 20))
    const letters = world.broker.records(LETTERS, 0)
    assert.deepEqual(
      letters
        .map((letter) => Number(letterHeader(letter, 'origin-offset')))
        .toSorted((a, b) => a - b),
      [20, 57],
    )
    assert.equal(deaths.handled.size, 298)
    await world.drain(deaths.running!)
  })

  test('a limit of one start finds it alone at once, of two among eight', async () => {
    for (const [crashes, dies] of [
      [1, 2],
      [2, 3],
    ] as const) {
      const world = new World(2)
      world.produce(keys(100), 1)
      const deaths = new Deaths(world)
      await deaths.live(isPoison, { retry: { crashes } })
      assert.equal(deaths.inFlight.length, dies)
      assert.deepEqual(deaths.inFlight.at(-1), [`${TOPIC}/1/57`])
      assert.equal(world.broker.records(LETTERS, 0).length, 1)
      await world.drain(deaths.running!)
    }
  })

  test('stops the consumer where the policy says so, and each start by hand runs it once more, alone', async () => {
    const world = new World(2)
    world.produce(keys(100), 1)
    const deaths = new Deaths(world)
    const options = { deadLetter: false as const, retry: { finally: 'stop' as const } }
    await deaths.live(isPoison, options)
    assert.equal(deaths.inFlight.length, 4)
    const failure = world.until(deaths.running!.finished)
    await assert.rejects(failure, { code: 'SHOAL_HANDLER_FAILED', message: /process-died/ })
    await deaths.live(isPoison, options)
    assert.deepEqual(deaths.inFlight.slice(4), [[`${TOPIC}/1/57`]])
    await assert.rejects(world.until(deaths.running!.finished), { code: 'SHOAL_HANDLER_FAILED' })
    // Mended.
    await deaths.live(() => false, options)
    assert.equal(deaths.handled.size, 100)
    await world.drain(deaths.running!)
    assert.equal(world.committed(1), 100)
  })

  test('turned off, it kills every process that comes', async () => {
    const world = new World(2)
    world.produce(keys(100), 1)
    const deaths = new Deaths(world)
    const off = deaths.live(isPoison, { retry: { crashes: false } }, 8)
    await assert.rejects(off, /8 deaths/)
    assert.equal(world.broker.records(LETTERS, 0).length, 0)
  })

  test('the order of a key holds while records start with care', async () => {
    const world = new World(1)
    world.produce(Array.from({ length: 120 }, (_, index) => `k${index % 7}`))
    const order: number[] = []
    const deaths = new Deaths(world)
    await deaths.live(({ offset }) => {
      order.push(offset)
      return offset === 60
    })
    for (let key = 0; key < 7; key++) {
      const last = order.filter((offset) => offset % 7 === key).slice(-10)
      assert.deepEqual(
        last,
        last.toSorted((a, b) => a - b),
      )
    }
    assert.equal(deaths.handled.size, 119)
    await world.drain(deaths.running!)
  })

  test('starts that end are no deaths: failed attempts, a timeout, a drain', async () => {
    const world = new World(1)
    world.produce(keys(3))
    const held = new HeldHandler()
    await world.start({ handle: held.handle })
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    const again = new HeldHandler()
    const running = await world.start({
      handle: again.handle,
      retry: { attempts: 9, backoff: { kind: 'fixed', base: 10, jitter: 'none' } },
    })
    await world.pass(10)
    assert.deepEqual(suspectsOf(world), [0, 1, 2])
    again.at(0).fail()
    again.at(1).done()
    await world.pass(1_100)
    assert.deepEqual(again.offsets, [2, 0])
    assert.deepEqual(suspectsOf(world), [2])
    await world.drain(running, 0)
    assert.deepEqual(suspectsOf(world), [])
  })

  test('a first commit that is refused holds a partition for a second only, a careful one until it is stored', async () => {
    const world = new World(1)
    world.produce(keys(2))
    world.broker.faults.commit = () => ({ outcome: 'refused' })
    const clean = new HeldHandler()
    await world.start({ handle: clean.handle })
    assert.deepEqual(clean.offsets, [])
    await world.pass(1_000)
    assert.deepEqual(clean.offsets, [0, 1])
    delete world.broker.faults.commit
    await world.pass(10_000)
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    world.broker.faults.commit = () => ({ outcome: 'refused' })
    const careful = new HeldHandler()
    const running = await world.start({ handle: careful.handle })
    await world.pass(5_000)
    assert.deepEqual(careful.offsets, [])
    delete world.broker.faults.commit
    await world.pass(10_000)
    assert.deepEqual(careful.offsets, [0, 1])
    await world.drain(running, 0)
  })
})

function suspectsOf(world: World): number[] {
  const { offset, metadata } = world.broker.group(GROUP).committed(TOPIC, 0)!
  const decoded = decodeCompletions(metadata, offset)
  const crashes = decoded.kind === 'map' ? decoded.completions.crashes : undefined
  return (crashes?.suspects ?? []).map((suspect) => suspect.offset)
}
