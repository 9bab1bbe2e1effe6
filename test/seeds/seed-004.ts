/**
 * Seed 004: the service that hands each record to a thread, what it prints, and when it commits.
 *
 * The page describes `main.py` and does not print it; `programs/004-main.py` is written by that description.
 */

import assert from 'node:assert/strict'
import { cpus } from 'node:os'
import { after, before, test } from 'node:test'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { commitAtSubmit, Service, type LoggedLine } from './service.ts'
import { eachClient, numbered, SeedBroker, Stage } from './stage.ts'
import { once, ROOM_MS } from './waiting.ts'

const CORES = cpus().length
const MESSAGE =
  '{"scenario": "run-analysis", "parameters": {"analysisType": "quick", "threshold": 10}, "timestamp": 1673456734}'
const PRINTED =
  "{'scenario': 'run-analysis', 'parameters': {'analysisType': 'quick', 'threshold': 10}, 'timestamp': 1673456734}"
const BEGUN = 'Processing message: '
const FINISHED = 'Finished processing message: '
/** For the rows that are not about the session of a minute, but wait for it to end. */
const SHORT_SESSION = { "'session.timeout.ms': 60000": "'session.timeout.ms': 20000" }

/** The rows of the service. */
export function serviceRows(): void {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** The page from top to bottom, with its topic and group: start, the test message, the end by Ctrl-C. */
  const asPrinted = once(() =>
    eachClient(async (kind) => {
      await using own = await SeedBroker.start()
      const page = { topic: 'Scenario-Execute', group: 'your-consumer-group' }
      await using stage = await Stage.set(own, 's004-24', { kind, ...page })
      const service = await Service.start(stage)
      const group = await stage.untilStable(1)
      await service.untilLogged('Using ')
      await stage.produce([MESSAGE])
      await service.untilLogged(FINISHED)
      await stage.untilCommitted(1)
      const lines = service.lines
      return { group, lines, end: await service.interrupt(), closing: service.logged('Shutting') }
    }),
  )

  /** Twice as many tasks of two seconds as there are threads. */
  const parallel = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-19', { kind })
      const service = await Service.start(stage, { 'time.sleep(5)': 'time.sleep(2)' })
      await stage.untilStable(1)
      await stage.produce(numbered(2 * CORES))
      await service.untilLogged(FINISHED, 2 * CORES)
      return service.lines
    }),
  )

  /** Eight tasks of five seconds, and behind them a value that needs no thread. */
  const eightTasks = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-21', { kind })
      const service = await Service.start(stage)
      const atStart = await stage.untilStable(1)
      await stage.produce([...numbered(8), 'not JSON'])
      await service.untilLogged(FINISHED, 8)
      return { lines: service.lines, atStart, atEnd: await stage.untilStable(1) }
    }),
  )

  /** Ends of the partition, two values that are not JSON, a task that fails, a good one, Ctrl-C. */
  const troubled = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-16', { kind })
      const service = await Service.start(stage, {
        'time.sleep(5)': "if message == 'failing': raise RuntimeError('no such scenario')",
        "'enable.auto.commit': False": "'enable.auto.commit': False, 'enable.partition.eof': True",
        '_PARTITION_EOF:': "_PARTITION_EOF:\n                    logging.info('End of partition')",
      })
      await service.untilLogged('End of partition')
      await stage.produce(['not JSON', { value: Buffer.from([0xff, 0xfe]) }, '"failing"', '"good"'])
      await service.untilLogged(FINISHED)
      await service.untilLogged('Error processing')
      await service.untilLogged('End of partition', 2)
      const { exitCode } = await service.interrupt()
      return { exitCode, lines: service.lines }
    }),
  )

  /** Ctrl-C in the work on a task. */
  const interrupted = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-22', { kind })
      const service = await Service.start(stage, { 'time.sleep(5)': 'time.sleep(20)' })
      await stage.produce([MESSAGE])
      await service.untilLogged(BEGUN)
      const { exitCode } = await service.interrupt()
      return { exitCode, lines: service.lines, committed: await stage.committed() }
    }),
  )

  /** A commit at submit, eight tasks that are not done, a kill, and a restart. */
  const committedAtSubmit = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-27', { kind })
      const settings = { ...commitAtSubmit, ...SHORT_SESSION }
      const first = await Service.start(stage, { ...settings, 'time.sleep(5)': 'time.sleep(3600)' })
      await stage.produce(numbered(8))
      await stage.untilCommitted(8)
      await first.crash()
      await stage.produce(['8'])
      const second = await Service.start(stage, settings)
      await second.untilLogged(FINISHED)
      return { first: first.lines, second: second.lines }
    }),
  )

  /** A commit when done, a long task that a short one overtakes, a kill, and a restart. */
  const overtaken = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-28', { kind })
      const first = await Service.start(stage, {
        ...SHORT_SESSION,
        'os.cpu_count()': '2',
        'time.sleep(5)': "time.sleep(3600 if message == 'long' else 0)",
      })
      await stage.produce(['"long"', '"short"'])
      await stage.untilCommitted(2)
      await first.crash()
      await stage.produce(['"after the crash"'])
      const second = await Service.start(stage, SHORT_SESSION)
      await second.untilLogged(FINISHED)
      return { first: first.lines, second: second.lines }
    }),
  )

  /** The page's tools on its test message: Kafka 4's console producer with the option it lost and with the one it has. */
  const consoleProducer = once(async () => {
    await using stage = await Stage.set(broker, 's004-09')
    const produce = (option: string) =>
      kafkaTool(
        'org.apache.kafka.tools.ConsoleProducer',
        [option, stage.bootstrap, '--topic', stage.topic],
        { input: `${MESSAGE}\n` },
      )
    const [old, present] = await Promise.all([
      produce('--broker-list'),
      produce('--bootstrap-server'),
    ])
    const reader = stage.member({ 'enable.partition.eof': true })
    await reader.untilMessages(1)
    await reader.untilTold('eof')
    return { old, present, values: reader.messages.map(({ value }) => value) }
  })

  test('S004-01 does not block consumption by the tasks in the thread pool', async () => {
    for (const lines of await parallel()) assert.equal(mostInWork(lines), CORES)
  })

  test('S004-02 has the features of the list', async () => {
    for (const { lines } of await asPrinted()) assert.equal(startsOf(lines).length, 1)
    for (const { committed } of await interrupted()) assert.deepEqual(committed, [1])
    for (const { lines } of await troubled()) assert.equal(errorsOf(lines).length, 3)
  })

  test('S004-05 takes its settings from the .env file beside it', async () => {
    for (const { group } of await asPrinted())
      assert.deepEqual(
        group.members.map(({ partitions }) => partitions),
        [[0]],
      )
  })

  test('S004-06 takes address, group and topic by the names of the page', async () => {
    for (const { group, lines } of await asPrinted()) {
      assert.deepEqual([group.state, group.members.length], ['Stable', 1])
      assert.deepEqual(startsOf(lines), [PRINTED])
    }
  })

  test('S004-07 starts with python main.py', async () => {
    for (const { lines } of await asPrinted())
      assert.equal(lines[0]?.text, 'Connected to Kafka and listening to the topic...')
  })

  test(
    "S004-08 IMPOSSIBLE: Kafka 4's console producer has no --broker-list",
    needs(apacheKafkaMissing()),
    async () => {
      const { old } = await consoleProducer()
      assert.notEqual(old.exitCode, 0)
      assert.match(`${old.stdout}${old.stderr}`, /broker-list is not a recognized option/)
    },
  )

  test(
    'S004-09 takes records from the console producer with --bootstrap-server',
    needs(apacheKafkaMissing()),
    async () => {
      const { present, values } = await consoleProducer()
      assert.equal(present.exitCode, 0, present.stderr)
      assert.equal(values.length, 1)
    },
  )

  test(
    'S004-10 gives the JSON message back as it was sent',
    needs(apacheKafkaMissing()),
    async () => {
      assert.deepEqual((await consoleProducer()).values, [MESSAGE])
    },
  )

  test('S004-11 logs the start and the end of five seconds of work', async () => {
    for (const { lines } of await asPrinted()) {
      assert.deepEqual(startsOf(lines), [PRINTED])
      assert.deepEqual(endsOf(lines), [PRINTED])
    }
  })

  test("S004-12 is taken with the consumer's settings", async () => {
    for (const { group, lines } of await asPrinted()) {
      assert.equal(group.protocol, 'range')
      assert.deepEqual(errorsOf(lines), [])
    }
  })

  test('S004-13 has a pool of as many threads as the machine has cores', async () => {
    for (const { lines } of await eightTasks()) assert.equal(mostInWork(lines), Math.min(8, CORES))
  })

  test('S004-14 loses records by either moment that its manual commit may have', async () => {
    for (const { first, second } of [...(await committedAtSubmit()), ...(await overtaken())]) {
      const unfinished = startsOf(first).filter((message) => !endsOf(first).includes(message))
      assert.ok(unfinished.length > 0)
      assert.ok(unfinished.every((message) => !startsOf(second).includes(message)))
    }
  })

  test('S004-15 continues at the end of a partition', async () => {
    for (const { lines } of await troubled()) {
      const texts = lines.map(({ text }) => text)
      assert.ok(texts.indexOf('End of partition') < texts.indexOf(`${FINISHED}good`))
    }
  })

  test('S004-16 logs values that cannot be decoded, and processes the good one', async () => {
    for (const { lines } of await troubled()) {
      const errors = errorsOf(lines).filter((text) => text.startsWith('Failed to decode message'))
      assert.equal(errors.length, 2)
      assert.deepEqual(endsOf(lines), ['good'])
    }
  })

  test('S004-17 logs a task that fails, and ends by Ctrl-C without an error', async () => {
    for (const { exitCode, lines } of await troubled()) {
      assert.ok(errorsOf(lines).includes('Error processing message: no such scenario'))
      assert.equal(lines.at(-1)?.text, 'Shutting down...')
      assert.equal(exitCode, 0)
    }
  })

  test('S004-19 processes one message a thread: two rounds of two seconds, not one after another', async () => {
    for (const lines of await parallel()) {
      const began = lines.find(({ text }) => text.startsWith(BEGUN))!.at
      const tookMs = lines.at(-1)!.at - began
      assert.ok(tookMs > 3_900 && tookMs < 4_000 + ROOM_MS, `${tookMs} ms`)
      assert.equal(mostInWork(lines), CORES)
      assert.deepEqual(
        endsOf(lines).toSorted((a, b) => Number(a) - Number(b)),
        numbered(2 * CORES),
      )
    }
  })

  test('S004-20 goes on consuming while tasks are in work', async () => {
    for (const { lines } of await eightTasks()) {
      const texts = lines.map(({ text }) => text)
      const ninth = texts.findIndex((text) => text.startsWith('Failed to decode message'))
      assert.ok(ninth >= 0)
      assert.ok(ninth < texts.findLastIndex((text) => text.startsWith(FINISHED)))
    }
  })

  test('S004-21 keeps its membership under tasks of five seconds: each once, no error', async () => {
    for (const { lines, atStart, atEnd } of await eightTasks()) {
      assert.deepEqual(startsOf(lines).toSorted(), numbered(8))
      assert.deepEqual(endsOf(lines).toSorted(), numbered(8))
      assert.equal(errorsOf(lines).length, 1)
      assert.deepEqual(atEnd, atStart)
    }
  })

  test('S004-22 shuts down gracefully: the work is finished and committed', async () => {
    for (const { exitCode, lines, committed } of await interrupted()) {
      assert.deepEqual(
        lines.slice(-3).map(({ text }) => text),
        [`${BEGUN}${PRINTED}`, 'Shutting down...', `${FINISHED}${PRINTED}`],
      )
      assert.deepEqual({ exitCode, committed }, { exitCode: 0, committed: [1] })
    }
  })

  test('S004-24 prints the sample output line by line, but for time stamps and the number of threads', async () => {
    for (const { lines, end, closing } of await asPrinted()) {
      assert.deepEqual(
        lines.map(({ level, text }) => `${level} - ${text}`),
        [
          'INFO - Connected to Kafka and listening to the topic...',
          `INFO - Using ${CORES} threads for concurrent processing.`,
          `INFO - ${BEGUN}${PRINTED}`,
          `INFO - ${FINISHED}${PRINTED}`,
        ],
      )
      assert.deepEqual([end.exitCode, end.stdout, closing.length], [0, '', 1])
    }
  })

  test('S004-25 has five seconds between start and end of the message', async () => {
    for (const { lines } of await asPrinted()) {
      const betweenMs = lines[3]!.at - lines[2]!.at
      assert.ok(betweenMs > 4_900 && betweenMs < 5_300 + ROOM_MS, `${betweenMs} ms`)
    }
  })

  test("S004-26 says the number of its threads: the machine's cores, where the page had eight", async () => {
    for (const { lines } of await asPrinted())
      assert.equal(lines[1]?.text, `Using ${CORES} threads for concurrent processing.`)
  })

  test('S004-27 LOST: a commit at submit covers eight tasks that a kill leaves undone', async () => {
    for (const { first, second } of await committedAtSubmit()) {
      assert.deepEqual(endsOf(first), [])
      assert.deepEqual(startsOf(second), ['8'])
    }
  })

  test('S004-28 LOST: a commit when done covers the long task that a short one overtook', async () => {
    for (const { first, second } of await overtaken()) {
      assert.deepEqual(endsOf(first), ['short'])
      assert.deepEqual(startsOf(second), ['after the crash'])
    }
  })

  test('S004-29 resumes from the last commit after a kill in the work, when the session of a minute has ended', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's004-29', { kind })
      const first = await Service.start(stage, {
        'time.sleep(5)': "time.sleep(3600 if str(message) == '1' else 0)",
      })
      await stage.produce(['0'])
      await stage.untilCommitted(1)
      await stage.produce(['1'])
      await first.untilLogged(BEGUN, 2)
      const killedMs = performance.now()
      await first.crash()
      const second = await Service.start(stage)
      await second.untilLogged(BEGUN)
      const tookMs = performance.now() - killedMs
      // the last heartbeat was some seconds old when the service was killed
      assert.ok(tookMs > 45_000 && tookMs < 60_000 + ROOM_MS, `${tookMs} ms`)
      assert.deepEqual([endsOf(first.lines), startsOf(second.lines)], [['0'], ['1']])
    })
  })
}

/** The messages whose processing began, in that order. */
function startsOf(lines: readonly LoggedLine[]): readonly string[] {
  return messagesOf(lines, BEGUN)
}

/** The messages whose processing finished, in that order. */
function endsOf(lines: readonly LoggedLine[]): readonly string[] {
  return messagesOf(lines, FINISHED)
}

function messagesOf(lines: readonly LoggedLine[], start: string): readonly string[] {
  return lines
    .filter(({ text }) => text.startsWith(start))
    .map(({ text }) => text.slice(start.length))
}

/** Everything that was not logged as information. */
function errorsOf(lines: readonly LoggedLine[]): readonly string[] {
  return lines.filter(({ level }) => level !== 'INFO').map(({ text }) => text)
}

/** How many messages were in work at the same time, at most. */
function mostInWork(lines: readonly LoggedLine[]): number {
  let [now, most] = [0, 0]
  for (const { text } of lines) {
    if (text.startsWith(BEGUN)) now += 1
    if (text.startsWith(FINISHED)) now -= 1
    most = Math.max(most, now)
  }
  return most
}
