import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { batchOf, PartitionFixture } from './partition-fixture.test.ts'

describe('retention and deletion', () => {
  test('takes old segments from the head, files included, and never goes back', async () => {
    const { length } = batchOf(['a'])
    const fixture = await PartitionFixture.open({
      config: { segmentBytes: length, retentionMs: 1_000 },
    })
    for (const value of ['a', 'b', 'c']) {
      await fixture.stored([value])
      await fixture.clock.advance(600)
    }
    await fixture.takeCheckpoint()
    await applyRetention(fixture)

    assert.equal(fixture.log.logStartOffset, 2)
    assert.deepEqual(await fixture.values(), ['2:c'])
    assert.deepEqual(
      fixture.disk.paths().filter((path) => path.endsWith('.log')),
      [fixture.segmentPath(2)],
    )
    await fixture.crash('nothing', 1)
    assert.equal(fixture.log.logStartOffset, 2)
    assert.deepEqual(await fixture.values(), ['2:c'])
  })

  test('of everything leaves the log empty at its end, and the next record gets the next offset', async () => {
    const fixture = await PartitionFixture.open({ config: { retentionMs: 1_000 } })
    await fixture.stored(['a', 'b'])
    await fixture.clock.advance(5_000)
    await applyRetention(fixture)
    assert.deepEqual([fixture.log.logStartOffset, fixture.log.logEndOffset], [2, 2])
    assert.equal(fixture.log.sizeBytes, 0)

    assert.equal(await fixture.stored(['c']), 2)
    await fixture.crash('nothing', 3)
    assert.deepEqual(await fixture.values(), ['2:c'])
    await fixture.reopen()
    assert.deepEqual(await fixture.values(), ['2:c'])
  })

  test('that is not flushed is not seen by readers, and a checkpoint in between keeps it', async () => {
    const { length } = batchOf(['a'])
    const fixture = await PartitionFixture.open({
      config: { segmentBytes: length, retentionBytes: length },
    })
    for (const value of ['a', 'b', 'c']) await fixture.stored([value])
    const retention = fixture.log.applyRetention(fixture.clock.wallMs())
    await fixture.clock.advance(0)
    assert.equal(fixture.log.logStartOffset, 0)
    assert.deepEqual(await fixture.values(), ['0:a', '1:b', '2:c'])

    await fixture.takeCheckpoint()
    await retention
    assert.equal(fixture.checkpoint?.logStartOffset, 2)
    await fixture.crash('process', 0)
    assert.deepEqual(await fixture.values(), ['2:c'])
  })

  test('goes on while the disk is full', async () => {
    const { length } = batchOf(['a'])
    const fixture = await PartitionFixture.open({
      config: { segmentBytes: length, retentionBytes: length },
    })
    for (const value of ['a', 'b', 'c']) await fixture.stored([value])
    fixture.disk.capacityBytes = 0
    await applyRetention(fixture)
    assert.deepEqual(await fixture.values(), ['2:c'])
  })

  test('by DeleteRecords moves the log start for good, and only within what is flushed', async () => {
    const fixture = await PartitionFixture.open()
    await fixture.stored(['a', 'b', 'c', 'd'])
    const deleteBefore = async (offset: number) => {
      const result = fixture.log.deleteRecordsBefore(offset)
      fixture.journal.flush()
      return [await result, fixture.log.logStartOffset]
    }

    assert.deepEqual(await deleteBefore(5), ['OFFSET_OUT_OF_RANGE', 0])
    assert.deepEqual(await deleteBefore(-2), ['OFFSET_OUT_OF_RANGE', 0])
    assert.deepEqual(await deleteBefore(3), ['NONE', 3])
    assert.deepEqual(await deleteBefore(1), ['NONE', 3])
    await fixture.crash('nothing', 1)
    assert.equal(fixture.log.logStartOffset, 3)
    assert.deepEqual(await fixture.values(), ['3:d'])
    assert.deepEqual(await deleteBefore(-1), ['NONE', 4])
    await fixture.reopen()
    assert.equal(fixture.log.logStartOffset, 4)
  })

  test('removes files that a crash left behind', async () => {
    const { length } = batchOf(['a'])
    const fixture = await PartitionFixture.open({ config: { segmentBytes: length } })
    for (const value of ['a', 'b']) await fixture.stored([value])
    await fixture.reopen()
    const stranger = await fixture.disk.open(fixture.segmentPath(9), { create: true })
    await stranger.write(0, [batchOf(['z'])])
    await stranger.close()
    await applyRetention(fixture)

    assert.ok(!fixture.disk.paths().includes(fixture.segmentPath(9)))
    assert.deepEqual(await fixture.values(), ['0:a', '1:b'])
  })
})

function applyRetention(fixture: PartitionFixture): Promise<void> {
  return fixture.flushing(fixture.log.applyRetention(fixture.clock.wallMs()))
}
