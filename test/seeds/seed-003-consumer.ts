/**
 * Seed 003, lines 40-157 and 474-598: the consumer's settings, where it starts, and how it is watched.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { Program } from '../real/program.ts'
import { needs } from '../real/services.ts'
import { basicConfiguration, completeLoop, completeLoopOn, seedText } from './seed-program.ts'
import { eachClient, numbered, SeedBroker, Stage } from './stage.ts'
import { once, ROOM_MS, timed } from './waiting.ts'

const COUNTS = [15, 12, 18]

/** The rows of the consumer and its group. */
export function consumerRows(): void {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** The basic configuration, which the client accepts; it subscribes, reads one old record, and leaves the commit to it. */
  const basic = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-08', { kind })
      await stage.produce(['old'])
      const verbatim = await stage.run(basicConfiguration(stage, ''))
      const { exitCode, stdout, stderr } = await verbatim.finished()
      const used = await stage.run(
        basicConfiguration(
          stage,
          `
consumer.subscribe(['${stage.topic}'])
message = None
while message is None:
    message = consumer.poll(1.0)
print(message.value().decode(), message.offset(), flush=True)
while True:
    consumer.poll(1.0)
`,
        ),
      )
      await used.until(({ stdout }) => stdout.includes('\n'))
      const group = await stage.untilStable(1)
      const commitMs = await timed(() => stage.untilCommitted(1))
      const committed = await stage.committed()
      return { exitCode, stdout, stderr, received: used.stdout, group, commitMs, committed }
    }),
  )

  /** What `poll(1.0)` returns on an empty topic that is assigned, and after how many seconds. */
  const idlePolls = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-04', { kind })
      const run = basicConfiguration(
        stage,
        `
import time
assigned = []
consumer.subscribe(['${stage.topic}'], on_assign=lambda _, partitions: assigned.extend(partitions))
while not assigned:
    consumer.poll(0.1)
for _ in range(4):
    start = time.monotonic()
    message = consumer.poll(1.0)
    print(message, time.monotonic() - start, flush=True)
consumer.close()
`,
      )
      const { stdout } = await (await stage.run(run)).finished()
      return stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
        .map(([answer, seconds]) => ({ answer, seconds: Number(seconds) }))
    }),
  )

  /** Where a group without offsets starts, by each of the page's two fragments. */
  const started = (policy: 'earliest' | 'latest') =>
    once(() =>
      eachClient(async (kind) => {
        await using stage = await Stage.set(broker, `s003-15-${policy}`, { kind })
        await stage.produce(['past 0', 'past 1'])
        const member = stage.member({ 'auto.offset.reset': policy, 'enable.partition.eof': true })
        await member.untilTold('eof')
        await stage.produce(['future'])
        await member.until(() => member.messages.some(({ value }) => value === 'future'))
        return member.messages.map(({ value }) => value)
      }),
    )
  const earliest = started('earliest')
  const latest = started('latest')

  /** Two members in a group; the first stops polling, the second joins, the first polls again. */
  const callbacks = once(async () => {
    await using stage = await Stage.set(broker, 's003-03', { partitions: 2 })
    const strategy = { 'partition.assignment.strategy': 'cooperative-sticky' }
    const first = stage.member(strategy)
    await first.untilOwns([0, 1])
    first.tell('pause')
    await first.untilTold('paused')
    const second = stage.member(strategy)
    await stage.untilMembers(2)
    const whilePaused = first.told('revoke')
    first.tell('resume')
    await second.untilOwnsSome(1)
    await stage.untilStable(2)
    return { whilePaused, afterwards: first.told('revoke'), A: first.owned, B: second.owned }
  })

  /** The describe table of the page: its topic and group, its program, its numbers, on a broker of its own. */
  const described = once(async () => {
    await using own = await SeedBroker.start()
    await using stage = await Stage.set(own, 's003-52', {
      topic: 'task-created',
      group: 'task-notification-service',
      partitions: 3,
    })
    await stage.produce(
      COUNTS.flatMap((count, partition) =>
        numbered(count).map((title) => ({ value: `{"title": "${title}"}`, partition })),
      ),
    )
    const program = await stage.run(completeLoop(stage))
    await stage.untilCommitted(...COUNTS)
    const caughtUp = await describeGroup(stage)
    program.kill('SIGTERM')
    await program.finished()
    await stage.produce([{ value: '{"title": "one more"}', partition: 1 }])
    return { caughtUp, behind: await describeGroup(stage) }
  })

  test('S003-01 has the concepts of the table: group, subscription, poll loop, offset, commit', async () => {
    const { A, B } = await callbacks()
    assert.deepEqual(
      [...A, ...B].toSorted((a, b) => a - b),
      [0, 1],
    )
    for (const { received, group } of await basic()) {
      assert.equal(received, 'old 0\n')
      assert.deepEqual(group.members[0]!.partitions, [0])
    }
  })

  test('S003-03 handles rebalances in poll: no callback comes to a member that does not poll', async () => {
    const { whilePaused, afterwards } = await callbacks()
    assert.deepEqual(whilePaused, [])
    assert.equal(afterwards.length, 1)
  })

  test('S003-04 returns None from poll when there is nothing', async () => {
    for (const polls of await idlePolls()) {
      assert.equal(polls.length, 4)
      assert.ok(polls.every(({ answer }) => answer === 'None'))
    }
  })

  test('S003-05 returns it after the timeout of a second, not before and not long after', async () => {
    for (const polls of await idlePolls()) {
      const seconds = polls.map((poll) => poll.seconds)
      assert.ok(Math.min(...seconds) > 0.9, seconds.join())
      // One of them may have been held up by the machine.
      assert.ok(Math.min(...seconds) < 3 * 1.5, seconds.join())
    }
  })

  test('S003-06 considers a member dead that stops polling', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-06', { kind })
      const limit = { 'max.poll.interval.ms': 12_000, 'session.timeout.ms': 12_000 }
      const member = stage.member(limit)
      await member.untilOwns([0])
      await stage.untilStable(1)
      member.tell('pause')
      await stage.untilMembers(0)
      member.tell('resume')
      assert.equal((await member.untilTold('error')).error, '_MAX_POLL_EXCEEDED')
    })
  })

  test('S003-08 makes a consumer of the basic configuration', async () => {
    for (const { exitCode, stdout, stderr } of await basic())
      assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 0, stdout: '', stderr: '' })
  })

  test('S003-10 takes bootstrap.servers and group.id', async () => {
    for (const { group } of await basic())
      assert.deepEqual([group.state, group.members.length], ['Stable', 1])
  })

  test('S003-11 takes auto.offset.reset: earliest reads the record that was there before', async () => {
    for (const { received } of await basic()) assert.equal(received, 'old 0\n')
  })

  test('S003-12 applies the reset policy again when the committed offsets of an empty group have expired', async () => {
    await using own = await SeedBroker.start({
      'offsets.retention.minutes': '1',
      'offsets.retention.check.interval.ms': '1000',
    })
    await using stage = await Stage.set(own, 's003-12')
    await stage.produce(['0', '1'])
    const first = stage.member({}, { commit: 'each' })
    await stage.untilCommitted(2)
    await first.close()
    const second = stage.member()
    await second.untilOwns([0])
    const expiryMs = await timed(async () => {
      await second.close()
      assert.deepEqual([second.messages, await stage.committed()], [[], [2]])
      await stage.untilCommitted(-1)
    })
    assert.ok(expiryMs > 50_000, `${expiryMs} ms`)
    const third = stage.member()
    await third.untilMessages(2)
    assert.deepEqual(
      third.messages.map(({ offset }) => offset),
      [0, 1],
    )
  })

  test('S003-13 takes enable.auto.commit: the offset is committed though the program never asks', async () => {
    for (const { committed } of await basic()) assert.deepEqual(committed, [1])
  })

  test('S003-14 takes auto.commit.interval.ms: the commit comes within five seconds', async () => {
    for (const { commitMs } of await basic())
      assert.ok(commitMs < 5_000 + ROOM_MS, `${commitMs} ms`)
  })

  test('S003-15 reads all history with earliest', async () => {
    for (const values of await earliest()) assert.deepEqual(values, ['past 0', 'past 1', 'future'])
  })

  test('S003-16 reads only what is new with latest', async () => {
    for (const values of await latest()) assert.deepEqual(values, ['future'])
  })

  test('S003-17 tells the two fragments apart: only one processes past events', async () => {
    const [all, fresh] = [await earliest(), await latest()]
    for (const [index, values] of all.entries())
      assert.deepEqual(
        values.filter((value) => !fresh[index]!.includes(value)),
        ['past 0', 'past 1'],
      )
  })

  test('S003-50 IMPOSSIBLE: a Python without the library, as in the image python:3.12-slim, cannot run the program', async () => {
    const text = await seedText(
      completeLoopOn({ bootstrap: broker.bootstrap, group: 's003-50', topic: 's003-50' }),
    )
    // -S: without any installed package
    const program = new Program('/usr/bin/python3', ['-I', '-S', '-c', text])
    const { exitCode, stderr } = await program.finished()
    assert.equal(exitCode, 1)
    assert.match(stderr, /ModuleNotFoundError: No module named 'confluent_kafka'/)
  })

  test(
    "S003-51 lets Kafka's own tool describe the group",
    needs(apacheKafkaMissing()),
    async () => {
      const { caughtUp } = await described()
      assert.equal(caughtUp.exitCode, 0)
      assert.equal(caughtUp.lines.length, 4)
    },
  )

  test(
    "S003-52 CONTRADICTION in its header alone: the table's rows are the page's, byte for byte up to LAG",
    needs(apacheKafkaMissing()),
    async () => {
      const [header, ...rows] = (await described()).caughtUp.lines
      assert.match(
        header!,
        /^GROUP {21}TOPIC {11}PARTITION {2}CURRENT-OFFSET {2}LOG-END-OFFSET {2}LAG {13}CONSUMER-ID +HOST +CLIENT-ID$/,
      )
      const printed = [
        'task-notification-service task-created    0          15              15              0',
        'task-notification-service task-created    1          12              12              0',
        'task-notification-service task-created    2          18              18              0',
      ]
      assert.deepEqual(
        rows.sort().map((row, index) => row.slice(0, printed[index]!.length)),
        printed,
      )
      for (const row of rows) assert.match(row, / {2}0 {15}rdkafka-\S+ +\/127\.0\.0\.1 +rdkafka$/)
    },
  )

  test(
    'S003-53 shows the committed offset, the end of the log, and their difference',
    needs(apacheKafkaMissing()),
    async () => {
      const { caughtUp, behind } = await described()
      for (const { lines } of [caughtUp, behind])
        for (const [current, end, lag] of numbersOf(lines)) assert.equal(lag, end! - current!)
      assert.deepEqual(
        numbersOf(caughtUp.lines).map(([current]) => current),
        COUNTS,
      )
    },
  )

  test(
    'S003-54 shows lag 0 for a group that is caught up, and 1 after one more record',
    needs(apacheKafkaMissing()),
    async () => {
      const { caughtUp, behind } = await described()
      assert.deepEqual(
        numbersOf(caughtUp.lines).map(([, , lag]) => lag),
        [0, 0, 0],
      )
      assert.deepEqual(numbersOf(behind.lines), [
        [15, 15, 0],
        [12, 13, 1],
        [18, 18, 0],
      ])
    },
  )
}

/** Kafka's own tool on the stage's group: its exit code and the lines of its table. */
async function describeGroup(stage: Stage) {
  const { exitCode, stdout } = await kafkaTool(
    'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    ['--bootstrap-server', stage.bootstrap, '--group', stage.group, '--describe'],
  )
  return { exitCode, lines: stdout.split('\n').filter((line) => line !== '') }
}

/** Current offset, end offset and lag of each row, by partition. */
function numbersOf(lines: readonly string[]): readonly (readonly number[])[] {
  return lines
    .slice(1)
    .map((line) => line.split(/ +/).slice(2, 6).map(Number))
    .sort(([left], [right]) => left! - right!)
    .map(([, ...numbers]) => numbers)
}
