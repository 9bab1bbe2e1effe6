import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { producerIdMachine, ProducerIdService, ProducerIdTable } from './producer-ids.ts'

describe('producer ids', () => {
  test('are given in order, one record for a block of a thousand', async () => {
    const journal = new Journal()
    const { service } = journal.open()
    const given: bigint[] = []
    for (let n = 0; n < 1_001; n++) given.push(await service.allocate())
    assert.deepEqual(
      given,
      Array.from({ length: 1_001 }, (_, n) => BigInt(n)),
    )
    assert.equal(journal.records.length, 2)
  })

  test('are never given twice, also not after restarts and snapshots', async () => {
    const journal = new Journal()
    const given: bigint[] = []
    for (let restart = 0; restart < 5; restart++) {
      const { service, machine } = journal.open()
      for (let n = 0; n < 700; n++) given.push(await service.allocate())
      if (restart % 2 === 0) journal.records = [...machine.snapshot()]
    }
    assert.equal(new Set(given).size, given.length)
  })

  test('wait for the flush of their reservation', async () => {
    const journal = new Journal()
    const { service } = journal.open()
    const gate = Promise.withResolvers<void>()
    journal.gate = gate.promise
    let answered = false
    const asked = service.allocate().then((id) => {
      answered = true
      return id
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(answered, false)
    gate.resolve()
    assert.equal(await asked, 0n)
  })

  test('are refused to a journal that holds something else', () => {
    const machine = producerIdMachine(new ProducerIdTable())
    for (const text of ['', '{}', '{"reservedBelow":"-1"}', '{"reservedBelow":1000}'])
      assert.throws(() => machine.replay(new TextEncoder().encode(text)), {
        code: 'SHOAL_STORAGE_CORRUPT',
      })
  })

  test('that were reserved do not go back', () => {
    const table = new ProducerIdTable()
    table.replay({ reservedBelow: 2_000n })
    assert.throws(() => table.replay({ reservedBelow: 1_000n }), { code: 'SHOAL_INVARIANT' })
  })
})

class Journal {
  records: Uint8Array[] = []
  gate: Promise<void> = Promise.resolve()

  /** What a start makes of the journal. */
  open() {
    const table = new ProducerIdTable()
    const machine = producerIdMachine(table)
    for (const record of this.records) machine.replay(record)
    return { machine, service: new ProducerIdService(table, this) }
  }

  appendMetadata(machine: string, records: readonly Uint8Array[]): void {
    assert.equal(machine, 'producer-ids')
    this.records.push(...records)
  }

  flushed(): Promise<void> {
    return this.gate
  }
}
