import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GROUP, HeldHandler, TOPIC, World } from './fixtures.test.ts'
import { encodeCompletions } from './completion/completion-map.ts'

const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`)

/** A member that has finished everything but the first record, has committed so, and is gone without a word. */
async function crashed(options = {}): Promise<World> {
  const world = new World()
  world.produce(keys(8))
  const held = new HeldHandler()
  await world.start({ handle: held.handle, ...options })
  for (const offset of [1, 2, 3, 4, 5, 6]) held.at(offset).done()
  await world.pass(1_100)
  assert.equal(world.committed(), 0)
  world.broker.group(GROUP).crash(world.memberIds[0]!)
  await world.pass(1)
  return world
}

describe('completion memory', () => {
  test('what finished beyond the oldest unfinished record is not handled again after a crash', async () => {
    const world = await crashed()
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle })
    assert.deepEqual(held.offsets, [0, 7])
    for (const offset of [0, 7]) held.at(offset).done()
    const report = await world.drain(running)
    assert.deepEqual([report.delivered, report.handled, report.remembered], [2, 2, 6])
    assert.equal(world.committed(), 8)
  })

  test('turned off, all of it is handled again', async () => {
    const world = await crashed({ completionMemory: false })
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle })
    assert.deepEqual(held.offsets, [0, 1, 2, 3, 4, 5, 6, 7])
    for (const offset of held.offsets) held.at(offset).done()
    assert.equal((await world.drain(running)).remembered, 0)
  })

  test('it outlives a second crash that happens before its records were delivered again', async () => {
    const world = await crashed()
    const first = new HeldHandler()
    await world.start({ handle: first.handle, buffer: { perPartition: { records: 1 } } })
    await world.pass(1_100)
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    await world.pass(1)
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle })
    assert.deepEqual(held.offsets, [0, 7])
    for (const offset of [0, 7]) held.at(offset).done()
    await world.drain(running)
    assert.equal(world.committed(), 8)
  })

  test('metadata of other tools, and a map of another position, are ignored with a word in the log', async () => {
    const map = encodeCompletions({ base: 3, end: 8, open: [3] }, 4_096).metadata
    for (const metadata of ['written by hand', 'shoal1:????', 'shoal9:AAAA', map]) {
      const world = new World()
      world.produce(keys(4))
      world.broker.group(GROUP).reset(TOPIC, 0, 0, metadata)
      const held = new HeldHandler()
      const running = await world.start({ handle: held.handle })
      assert.deepEqual(held.offsets, [0, 1, 2, 3], metadata)
      const words = world.logger.lines.map(({ message }) => message)
      assert.ok(words.includes('the metadata of a commit is no completion map and is ignored'))
      for (const offset of held.offsets) held.at(offset).done()
      await world.drain(running)
    }
  })

  test('a map that speaks of records which the log does not have is ignored', async () => {
    const world = new World()
    world.produce(keys(4))
    const { metadata } = encodeCompletions({ base: 0, end: 2_147_483_647, open: [0] }, 4_096)
    world.broker.group(GROUP).reset(TOPIC, 0, 0, metadata)
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle })
    assert.deepEqual(held.offsets, [0, 1, 2, 3])
    assert.equal((await world.drain(running, 0)).remembered, 0)
  })

  test('a map that does not fit pauses its partition, says so, and lets it go on when it fits', async () => {
    const world = new World()
    world.produce(keys(400))
    const held = new HeldHandler()
    const running = await world.start({
      handle: held.handle,
      concurrency: 1_000,
      maxBatchRecords: 400,
      completionMemory: { maxLength: 64 },
    })
    for (let offset = 1; offset < 400; offset += 2) held.at(offset).done()
    await world.pass(1_100)
    assert.match(
      running.health().reasons.join(),
      /orders\/0: too much finished beyond an unfinished/,
    )
    world.produce(keys(10))
    await world.pass(10)
    assert.equal(running.report().delivered, 400)
    for (let offset = 0; offset < 400; offset += 2) held.at(offset).done()
    await world.pass(2_000)
    assert.equal(running.report().delivered, 410)
    await world.drain(running, 0)
  })

  test('a full map of a process that crashed does not keep its successor from what is open', async () => {
    const world = new World()
    world.produce(keys(400))
    const held = new HeldHandler()
    const completionMemory = { maxLength: 64 }
    const options = { concurrency: 1_000, maxBatchRecords: 400, completionMemory }
    await world.start({ ...options, handle: held.handle })
    for (let offset = 1; offset < 400; offset += 2) held.at(offset).done()
    await world.pass(1_100)
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    await world.pass(1)
    const running = await world.start(options)
    await world.pass(10_000)
    assert.equal(world.committed(), 400)
    await world.drain(running)
  })
})
