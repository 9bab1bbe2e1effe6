import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { consumer } from '../consumer.ts'
import { letterHeader } from '../fixtures.test.ts'
import { MemoryBroker } from '../memory-broker/memory-broker.ts'
import type { Report, WithWorker } from '../options.ts'
import { telemetry } from '../telemetry.ts'
import type { EndEvent } from '../telemetry.ts'

const MODULE = new URL('crunching.test.ts', import.meta.url)

/** Runs tasks in real threads until all are over. */
async function run(
  group: string,
  tasks: readonly string[],
  options: Partial<WithWorker> = {},
): Promise<{ readonly report: Report; readonly broker: MemoryBroker }> {
  const broker = new MemoryBroker()
  broker.createTopic('tasks', 1)
  broker.createTopic('dead', 1)
  for (const [index, task] of tasks.entries())
    broker.append({
      topic: 'tasks',
      key: Uint8Array.of(index),
      value: new TextEncoder().encode(JSON.stringify({ task })),
    })
  const over = Promise.withResolvers<void>()
  let left = tasks.length
  const told = (event: EndEvent) => {
    if (event.group === group && --left === 0) over.resolve()
  }
  telemetry.end.subscribe(told)
  const running = await consumer({
    group,
    source: broker.source({ topics: ['tasks'] }),
    decode: 'json',
    worker: MODULE,
    threads: 2,
    deadLetter: 'dead',
    retry: { attempts: 2, backoff: { kind: 'fixed', base: 1 } },
    ...options,
  }).start()
  await over.promise
  telemetry.end.unsubscribe(told)
  return { report: await running.drain(), broker }
}

describe('a handler in worker threads', () => {
  test('handles, skips and fails as one in the main thread does, errors with their names', async () => {
    const { report, broker } = await run('plain', ['ok', 'skip', 'throw', 'ok'])
    assert.deepEqual([report.handled, report.skipped, report.deadLettered], [2, 1, 1])
    const [letter] = broker.records('dead', 0)
    assert.equal(letterHeader(letter, 'reason'), 'RangeError')
    assert.equal(letterHeader(letter, 'error'), 'tasks/0/2 is too much')
  })

  test('a thread that dies is one failed attempt of what it held; others go on', async () => {
    const { report } = await run('dies', ['die', 'ok', 'ok', 'ok'], {
      retry: { attempts: 5, backoff: { kind: 'fixed', base: 1 } },
    })
    assert.equal(report.handled, 4)
    assert.ok(report.retried >= 1)
  })

  test('its signal reaches the thread', async () => {
    const { report, broker } = await run('aborts', ['wait'], {
      timeout: 50,
      retry: { attempts: 1 },
    })
    assert.equal(report.deadLettered, 1)
    assert.equal(letterHeader(broker.records('dead', 0)[0], 'reason'), 'handler-timeout')
  })

  test('a module without a handler fails each attempt, with words', async () => {
    const { broker } = await run('empty', ['ok'], {
      worker: new URL('thread-messages.ts', import.meta.url),
      retry: { attempts: 1 },
    })
    assert.match(
      letterHeader(broker.records('dead', 0)[0], 'error') ?? '',
      /exports no function named handle/,
    )
  })

  test('a handler and a worker together are refused', () => {
    const broker = new MemoryBroker()
    const source = broker.source({ topics: ['tasks'] })
    const options = { group: 'g', source, worker: MODULE, handle: () => {} }
    assert.throws(() => consumer(options as never), /handle or worker, not both/)
  })
})
