/**
 * A parked key over Shoal's broker, in every protocol: everything else flows, its order outlives the member, and nothing
 * is lost. Some seconds.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { consumer, telemetry } from '../../src/consumer/index.ts'
import type { Ctx, Running } from '../../src/consumer/index.ts'
import { Broker } from '../../src/broker/index.ts'
import { kafkaFixture, promptly, protocols } from './kafka-fixture.ts'
import { waitUntil } from './recording-member.ts'

for (const [protocol, options] of protocols)
  describe(`a parked key over Shoal, ${protocol}`, () => {
    let fixture: Awaited<ReturnType<typeof kafkaFixture>>
    before(async () => {
      const broker = await Broker.open({
        data: null,
        kafka: { host: '127.0.0.1', port: 0 },
        settings: promptly,
      })
      const { host, port } = broker.kafkaAddress
      fixture = await kafkaFixture(
        { bootstrap: `${host}:${port}`, stop: () => broker.close() },
        options,
      )
    })
    after(() => fixture.close())

    test('holds its records, in order, until they can be handled, over a restart', async () => {
      const topic = await fixture.createTopic(2)
      const parked = await fixture.createTopic(2)
      const group = `parks-${topic}`
      const handled: string[] = []
      let wake: () => void = () => {}
      let isDown = true
      const start = (): Promise<Running> =>
        consumer({
          group,
          source: fixture.source([topic]),
          retry: { attempts: 2, backoff: { kind: 'fixed', base: 5 }, finally: 'park-key' },
          parked: { topic: () => parked, backoff: { kind: 'fixed', base: 50, jitter: 'none' } },
          handle: (_: unknown, { id, key }: Ctx) => {
            wake()
            if (key === 'bad' && isDown) throw new Error('down')
            handled.push(id)
          },
        }).start()
      const until = (what: string, holds: () => boolean) =>
        waitUntil(what, holds, (woken) => void (wake = woken))
      const keys = ['bad', 'good', 'bad', 'good', 'bad']
      const records = keys.map((key) => ({
        topic,
        partition: 1,
        key: new TextEncoder().encode(key),
        value: null,
        headers: [],
      }))
      await fixture.produce(records)
      const first = await start()
      const told = () => wake()
      telemetry.end.subscribe(told)
      await until('three parked', () => first.report().parked === 3)
      await first.drain()
      assert.equal(handled.length, 2)
      assert.equal((await fixture.committed(group, topic)).get(1)?.offset, 5)
      isDown = false
      await fixture.produce(records.slice(0, 2))
      const second = await start()
      await until('all', () => handled.length === 7)
      await second.drain()
      telemetry.end.unsubscribe(told)
      const offsets = handled.map((id) => Number(id.split('/').at(-1)))
      assert.deepEqual(
        offsets.filter((offset) => offset !== 1 && offset !== 3 && offset !== 6),
        [0, 2, 4, 5],
      )
    })
  })
