/**
 * Seed 003, lines 159-269: the complete poll loop, what it prints, its errors and its end.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { PythonKind } from '../real/python.ts'
import { freePort } from '../real/services.ts'
import { startPython } from '../real/python.ts'
import { completeLoop, completeLoopOn } from './seed-program.ts'
import { alive, clients, eachClient, SeedBroker, Stage } from './stage.ts'
import { BEFORE_SESSION_END_MS, elapse, once, ROOM_MS, timed } from './waiting.ts'

const EOF = ", 'enable.partition.eof': True"
const CLOSING = 'Shutdown signal received...\nClosing consumer...\nConsumer closed.\n'
const TASKS = [
  { key: 'task-123', value: '{"title": "Buy groceries"}' },
  { key: 'task-456', value: '{"title": "Complete report"}' },
]
const RECEIVED = [
  'Received task: Buy groceries\n  Key: task-123\n  Partition: 0, Offset: 0\n',
  'Received task: Complete report\n  Key: task-456\n  Partition: 1, Offset: 0\n',
]
const REACHED = ['Reached end of partition 0\n', 'Reached end of partition 1\n']

/** The rows of the complete poll loop. */
export function printedRows(): void {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
    // The page's own topic, filled with the page's own keys by librdkafka's default partitioner.
    await broker.observer.createTopic('task-created', 2)
    await produceWithLibrdkafka(clients[0]!, broker.bootstrap, 'task-created', TASKS)
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** In a terminal, until both records (and ends) are there; then Ctrl-C. */
  const typed = (conf: string, lines: readonly string[]) =>
    once(() =>
      eachClient(async (kind) => {
        const group = conf === '' ? `task-notification-service-${kind}` : `with-eof-${kind}`
        await using stage = await Stage.set(broker, 's003-19', {
          kind,
          partitions: 0,
          topic: 'task-created',
          group,
        })
        const program = await stage.run({ ...completeLoop(stage, conf), terminal: true })
        await program.until(({ stdout }) =>
          lines.every((line) => stdout.replaceAll('\r\n', '\n').includes(line)),
        )
        program.write('\u0003')
        const { exitCode, stdout } = await program.finished()
        const committed = await stage.committed()
        return { exitCode, stdout: stdout.replaceAll('\r\n', '\n'), committed }
      }),
    )
  const asPrinted = typed('', RECEIVED)
  const withEof = typed(EOF, [...RECEIVED, ...REACHED])

  /** Without the topic: until the error is there, a while longer, then SIGTERM. */
  const withoutTopic = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-25', { kind, partitions: 0 })
      const program = await stage.run(completeLoopOn(stage))
      await program.until(({ stdout }) => stdout.includes('Consumer error: '))
      await elapse(2_000)
      const wentOn = alive(program)
      program.kill('SIGTERM')
      return { wentOn, ...(await program.finished()) }
    }),
  )

  /** One record with automatic commits, and SIGTERM as soon as it was received; another member waits. */
  const closed = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-27', { kind, partitions: 2 })
      const program = await stage.run(completeLoopOn(stage))
      await stage.untilStable(1)
      const other = stage.member()
      await other.untilOwnsSome(1)
      await stage.untilStable(2)
      const [mine] = [0, 1].filter((partition) => !other.owned.includes(partition))
      await stage.produce([{ value: '{"title": "last"}', partition: mine! }])
      await program.until(({ stdout }) => stdout.includes('Offset: 0\n'))
      program.kill('SIGTERM')
      const tookMs = await timed(() => other.untilOwns([0, 1]))
      const { exitCode, stdout } = await program.finished()
      return { exitCode, stdout, tookMs, committed: (await stage.committed())[mine!] }
    }),
  )

  test('S003-18 runs the complete poll loop in a terminal', async () => {
    for (const { exitCode, stdout } of await asPrinted()) {
      assert.equal(exitCode, 0)
      assert.match(stdout, /^Subscribed to topic: task-created\n/)
      for (const block of RECEIVED) assert.ok(stdout.includes(block), stdout)
    }
  })

  test('S003-19 prints what the page prints, byte for byte, IMPOSSIBLE only the two "Reached end" lines', async () => {
    for (const { stdout } of await asPrinted())
      assertPrinted(stdout, [
        [RECEIVED[0]!, RECEIVED[1]!],
        [RECEIVED[1]!, RECEIVED[0]!],
      ])
  })

  test('S003-20 prints the whole output with enable.partition.eof, byte for byte', async () => {
    const [first, second] = [RECEIVED[0]!, RECEIVED[1]!]
    const [end, otherEnd] = [REACHED[0]!, REACHED[1]!]
    for (const { stdout } of await withEof())
      assertPrinted(
        stdout,
        // every order in which each partition's end follows its record
        [
          [first, second, end, otherEnd],
          [first, second, otherEnd, end],
          [second, first, end, otherEnd],
          [second, first, otherEnd, end],
          [first, end, second, otherEnd],
          [second, otherEnd, first, end],
        ],
      )
  })

  test('S003-21 has task-123 on partition 0 and task-456 on 1 by the default partitioner, CRC32, each at offset 0', async () => {
    await eachClient(async (kind) => {
      const topic = `s003-21-${kind}`
      await broker.observer.createTopic(topic, 2)
      assert.deepEqual(await produceWithLibrdkafka(kind, broker.bootstrap, topic, TASKS), [
        'task-123 0 0',
        'task-456 1 0',
      ])
      const murmur2 = `s003-21-murmur2-${kind}`
      await broker.observer.createTopic(murmur2, 2)
      assert.deepEqual(
        await produceWithLibrdkafka(kind, broker.bootstrap, murmur2, TASKS, 'murmur2'),
        ['task-123 1 0', 'task-456 1 1'],
      )
    })
  })

  test('S003-22 closes on SIGTERM with three lines and exit code 0', async () => {
    for (const { exitCode, stdout } of await closed()) {
      assert.equal(exitCode, 0)
      assert.ok(stdout.endsWith(`  Key: None\n${lastLineOf(stdout)}${CLOSING}`), stdout)
    }
  })

  test("S003-23 closes on Ctrl-C, typed in a terminal, with the terminal's own ^C before the first line", async () => {
    for (const { exitCode, stdout } of [...(await asPrinted()), ...(await withEof())]) {
      assert.equal(exitCode, 0)
      assert.ok(stdout.endsWith(`\n^C${CLOSING}`), stdout)
    }
  })

  test('S003-24 goes on after an error', async () => {
    for (const { wentOn, exitCode, stdout } of await withoutTopic()) {
      assert.ok(wentOn)
      assert.equal(exitCode, 0)
      assert.ok(stdout.endsWith(CLOSING))
    }
  })

  test('S003-25 CONTRADICTION: without the topic it prints UNKNOWN_TOPIC_OR_PART; the constant with an underscore does not exist', async () => {
    for (const { stdout } of await withoutTopic())
      assert.match(stdout, /^Consumer error: KafkaError\{code=UNKNOWN_TOPIC_OR_PART,val=3,str=/m)
    await eachClient(async (kind) => {
      const names = ['UNKNOWN_TOPIC_OR_PART', '_UNKNOWN_TOPIC', '_UNKNOWN_TOPIC_OR_PART']
      const { stdout } = await startPython(kind, [
        '-c',
        `from confluent_kafka import KafkaError\nprint([hasattr(KafkaError, name) for name in ${JSON.stringify(names)}])`,
      ]).finished()
      assert.equal(stdout, '[True, True, False]\n')
    })
  })

  test('S003-26 CONTRADICTION: without any broker the loop goes on; only error_cb gets _ALL_BROKERS_DOWN, never msg.error()', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-26', { kind, partitions: 0 })
      const nowhere = { group: stage.group, topic: stage.topic }
      const callback = ", 'error_cb': lambda error: print('error_cb', error.name(), flush=True)"
      const program = await stage.run(
        completeLoopOn({ ...nowhere, bootstrap: `127.0.0.1:${await freePort()}` }, callback),
      )
      await program.until(({ stdout }) => stdout.includes('error_cb _ALL_BROKERS_DOWN\n'))
      await elapse(2_000)
      assert.ok(alive(program))
      program.kill('SIGTERM')
      const { exitCode, stdout } = await program.finished()
      assert.equal(exitCode, 0)
      assert.doesNotMatch(stdout, /Consumer error/)
    })
  })

  test('S003-27 triggers the rebalance at once by close()', async () => {
    for (const { tookMs } of await closed())
      assert.ok(tookMs < BEFORE_SESSION_END_MS, `${tookMs} ms, where the session lasts 45 s`)
  })

  test('S003-28 CONTRADICTION in general: close() commits what an automatic committer received, and nothing for a manual one', async () => {
    for (const { committed } of await closed()) assert.equal(committed, 1)
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-28', { kind })
      await stage.produce(['0'])
      const manual = stage.member()
      await manual.untilMessages(1)
      await manual.close()
      assert.deepEqual(await stage.committed(), [-1])
    })
  })

  test('S003-29 releases its connections by close()', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-29', { kind })
      const member = stage.member()
      await member.untilOwns([0])
      await member.close()
      const [open, left] = (await member.untilTold('closed')).connections!
      assert.ok(open > 0)
      assert.equal(left, 0)
    })
  })

  test('S003-30 waits for the session of 45 seconds when nothing was closed', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-30', { kind, partitions: 2 })
      const program = await stage.run(completeLoopOn(stage))
      await stage.untilStable(1)
      const other = stage.member()
      await other.untilOwnsSome(1)
      await stage.untilStable(2)
      const tookMs = await timed(() => {
        program.kill('SIGKILL')
        return other.untilOwns([0, 1])
      })
      assert.ok(tookMs > 30_000 && tookMs < 45_000 + ROOM_MS, `${tookMs} ms`)
    })
  })
}

/** Sends records by the seeds' own client; answers `key partition offset` of each. */
async function produceWithLibrdkafka(
  kind: PythonKind,
  bootstrap: string,
  topic: string,
  records: readonly { key: string; value: string }[],
  partitioner?: string,
): Promise<readonly string[]> {
  const program = `
import json, sys
from confluent_kafka import Producer
bootstrap, topic, records, partitioner = sys.argv[1:]
def told(error, message):
    assert error is None, error
    print(message.key().decode(), message.partition(), message.offset())
producer = Producer({'bootstrap.servers': bootstrap, **({'partitioner': partitioner} if partitioner else {})})
for record in json.loads(records):
    producer.produce(topic, key=record['key'], value=record['value'], on_delivery=told)
    producer.flush()
`
  const args = ['-c', program, bootstrap, topic, JSON.stringify(records), partitioner ?? '']
  const { exitCode, stdout, stderr } = await startPython(kind, args).finished()
  assert.equal(exitCode, 0, stderr)
  return stdout.trim().split('\n')
}

/** The page's first and last lines around one of the orders in which the partitions may come. */
function assertPrinted(stdout: string, orders: readonly (readonly string[])[]): void {
  const pages = orders.map(
    (blocks) => `Subscribed to topic: task-created\n${blocks.join('')}^C${CLOSING}`,
  )
  assert.ok(pages.includes(stdout), stdout)
}

function lastLineOf(stdout: string): string {
  return /  Partition: \d, Offset: 0\n/.exec(stdout)?.[0] ?? ''
}
