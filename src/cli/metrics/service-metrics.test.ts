import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as library from '@prometheus-io/client'
import type { GroupLag } from '../../admin/index.ts'
import { consumer, MemoryBroker, telemetry } from '../../consumer/index.ts'
import type { Health } from '../../consumer/index.ts'
import { VirtualClock } from '../../core/index.ts'
import { ServiceMetrics } from './service-metrics.ts'

describe('the metrics of a service', () => {
  test('count what became of its records, by topic, and how old they were', async () => {
    const clock = new VirtualClock()
    const broker = new MemoryBroker({ clock, timers: clock })
    const letters = 'orders.dlq'
    broker.createTopic('orders', 1)
    broker.createTopic(letters, 1)
    using metrics = metricsOf({ clock })
    const text = new TextEncoder()
    for (const word of ['fine', 'fine', 'skip', 'fail'])
      broker.append({
        topic: 'orders',
        partition: 0,
        key: null,
        value: text.encode(word),
        headers: [],
      })
    const starting = consumer({
      group: 'billing',
      source: broker.source({ topics: ['orders'] }),
      decode: 'text',
      deadLetter: letters,
      retry: { attempts: 2, backoff: { kind: 'fixed', base: 1_000, jitter: 'none' } },
      clock,
      timers: clock,
      handle: async (value) => {
        if (value === 'skip') return { skip: 'on purpose' }
        if (value === 'fail') throw new RangeError('no')
        return undefined
      },
    }).start()
    await clock.advance(5_000)
    const running = await starting
    const shown = await seriesOf(metrics)
    const draining = running.drain()
    await clock.advance(1_000)
    await draining

    const orders = 'backend="kafka",group="billing",topic="orders"'
    assert.deepEqual(
      Object.fromEntries(shown.filter(([name]) => /^shoal_(records_p|dead)/.test(name))),
      {
        [`shoal_records_processed_total{${orders},outcome="ok"}`]: 2,
        [`shoal_records_processed_total{${orders},outcome="skipped"}`]: 1,
        [`shoal_records_processed_total{${orders},outcome="retry"}`]: 1,
        [`shoal_records_processed_total{${orders},outcome="dead_letter"}`]: 1,
        [`shoal_dead_letters_total{${orders},reason="RangeError"}`]: 1,
      },
    )
    const all = new Map(shown)
    assert.equal(all.get(`shoal_process_duration_seconds_count{${orders}}`), 5)
    assert.equal(all.get(`shoal_record_age_seconds_count{${orders}}`), 4)
    assert.equal(all.get('shoal_records_in_flight{backend="kafka",group="billing"}'), 0)
    assert.ok(
      (all.get('shoal_group_offset_commits_total{backend="kafka",group="billing",result="ok"}') ??
        0) > 0,
    )
  })

  test('show health, lag by partition, and its sums', async () => {
    using metrics = metricsOf({ lag: () => lagOf(2), health: () => stuck })
    const all = new Map(await seriesOf(metrics))
    const group = 'backend="kafka",group="billing"'
    assert.equal(all.get(`shoal_consumer_health{${group},status="stuck"}`), 1)
    assert.equal(all.get(`shoal_consumer_health{${group},status="ok"}`), 0)
    assert.equal(all.get(`shoal_consumer_oldest_in_flight_seconds{${group}}`), 90)
    const partition = `${group},topic="t",partition="1"`
    assert.equal(all.get(`shoal_group_partition_lag_records{${partition}}`), 10)
    assert.equal(all.get(`shoal_group_partition_lag_seconds{${partition}}`), 1.5)
    assert.equal(all.get(`shoal_group_lag_records{${group}}`), 20)
    assert.equal(all.get('shoal_metrics_dropped_series'), 0)
    assert.ok([...all.keys()].some((name) => name.startsWith('nodejs_eventloop_lag_p99_seconds')))
    assert.ok([...all.keys()].some((name) => name.startsWith('process_resident_memory_bytes')))
  })

  test('withhold series that name a partition beyond their limit, say how many, and keep the sums', async () => {
    using metrics = metricsOf({ lag: () => lagOf(6), partitionSeries: 10 })
    const all = new Map(await seriesOf(metrics))
    assert.ok(![...all.keys()].some((name) => name.includes('partition_lag')))
    assert.equal(all.get('shoal_metrics_dropped_series'), 12)
    assert.equal(all.get('shoal_group_lag_records{backend="kafka",group="billing"}'), 60)
  })

  test('have no more than twenty reasons of dead letters, and then one for the rest', async () => {
    using metrics = metricsOf({})
    for (let index = 0; index < 50; index++)
      telemetry.deadLetter.publish({
        group: 'billing',
        id: `or/ders/0/${index}`,
        kind: 'written',
        topic: 'orders.dlq',
        reason: `reason ${index}`,
        error: null,
        durationMs: 1,
      })
    const letters = (await seriesOf(metrics)).filter(([name]) => name.includes('dead_letters'))
    assert.equal(letters.length, 21)
    const other = letters.find(([name]) => name.includes('reason="other"'))
    assert.deepEqual(other, [
      'shoal_dead_letters_total{backend="kafka",group="billing",topic="or/ders",reason="other"}',
      30,
    ])
  })

  test('show a circuit breaker once it has opened', async () => {
    using metrics = metricsOf({})
    const name = 'shoal_consumer_breaker_state{backend="kafka",group="billing",breaker="bank"}'
    assert.equal(new Map(await seriesOf(metrics)).get(name), undefined)
    const breaker = { group: 'billing', name: 'bank', failures: 5 }
    telemetry.breaker.publish({ ...breaker, state: 'open' })
    assert.equal(new Map(await seriesOf(metrics)).get(name), 2)
    telemetry.breaker.publish({ ...breaker, state: 'closed' })
    assert.equal(new Map(await seriesOf(metrics)).get(name), 0)
  })

  test('count the partitions that wait for room, and those of this group alone', async () => {
    using metrics = metricsOf({})
    const partition = { topic: 't', partition: 0, epoch: 1 }
    const paused = { kind: 'paused', partition, reason: 'buffer' } as const
    telemetry.pause.publish({ group: 'billing', ...paused })
    telemetry.pause.publish({ group: 'somebody else', ...paused })
    const name = 'shoal_group_paused_partitions{backend="kafka",group="billing"}'
    assert.equal(new Map(await seriesOf(metrics)).get(name), 1)
    telemetry.rebalance.publish({ group: 'billing', kind: 'lost', partitions: [partition] })
    assert.equal(new Map(await seriesOf(metrics)).get(name), 0)
  })
})

const stuck: Health = { status: 'stuck', reasons: [], oldestInFlightMs: 90_000, blockedKeys: 3 }

function metricsOf({
  clock = new VirtualClock(),
  lag = () => null,
  health = () => ({ ...stuck, status: 'ok' }),
  partitionSeries = 10_000,
}: {
  clock?: VirtualClock
  lag?: () => GroupLag | null
  health?: () => Health
  partitionSeries?: number
}): ServiceMetrics {
  const facts = { group: 'billing', version: '0.1.0', clock, partitionSeries, health, lag }
  return new ServiceMetrics({ library, ...facts })
}

function lagOf(partitionCount: number): GroupLag {
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({
    topic: 't',
    partition,
    records: 10,
    seconds: partition * 1.5,
  }))
  return { partitions, records: partitionCount * 10, maxSeconds: (partitionCount - 1) * 1.5 }
}

async function seriesOf(metrics: ServiceMetrics): Promise<readonly (readonly [string, number])[]> {
  const text = await metrics.text()
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    })
}
