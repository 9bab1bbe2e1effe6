/**
 * Seed 000, lines 51-99: the internal queue, and the anti-patterns with what truly happens.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { losesRecordInWork } from './scenarios.ts'
import { pollLoop, queuePattern } from './seed-program.ts'
import { alive, eachClient, numbered, SeedBroker, Stage } from './stage.ts'
import { eventually, once } from './waiting.ts'

const STUCK = ["print('begun', msg.offset(), flush=True)", 'sys.stdin.readline()']
const SHORT_LIMIT = ", 'max.poll.interval.ms': 12000, 'session.timeout.ms': 12000"

/** The rows of the internal queue and of the anti-patterns. */
export function queueRows(): void {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** Three records, the first takes fifteen seconds where twelve between two polls are allowed. */
  const slowHandler = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-10', { kind })
      const program = await stage.run(
        queuePattern(stage, [
          "print('begun', msg.offset(), flush=True)",
          'time.sleep(15 if msg.offset() == 0 else 0.2)',
          "print('done', msg.offset(), flush=True)",
        ]),
      )
      const atStart = await stage.untilStable(1)
      await stage.produce(numbered(3))
      await program.until(({ stdout }) => stdout.includes('done 2\n'))
      const atEnd = await stage.untilStable(1)
      return { stdout: program.stdout, members: [atStart, atEnd].map((group) => group.members) }
    }),
  )

  /** 1,500 records and a handler that never ends. */
  const fullQueue = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-11', { kind })
      await stage.produce(numbered(1_500))
      const program = await stage.run(queuePattern(stage, STUCK))
      await program.until(({ stdout }) => stdout.includes('begun 0\n'))
      const withMember = await stage.untilStable(1)
      const intake = await eventually(
        () => stage.committed(),
        ([committed]) => committed! >= 1_001,
      )
      // nothing else happens than the time that passes without a poll
      const evicted = await eventually(
        () => broker.observer.group(stage.group),
        ({ members }) => members.length === 0,
      )
      return { withMember, intake, evicted, committed: await stage.committed() }
    }),
  )

  /** What the second member of a group sees when the first works on a record. @param work a statement */
  async function blockedLoop(stage: Stage, work: string, conf: string) {
    const handler = ["print('begun', flush=True)", work, "print('ended', flush=True)"]
    const told = `, 'on_commit': lambda error, _: print('commit', error and error.name(), flush=True)`
    const run = pollLoop(
      stage,
      handler,
      `, 'client.id': 'A', 'partition.assignment.strategy': 'range'${told}${conf}`,
    )
    const program = await stage.run({ ...run, before: 'import time' })
    await stage.untilStable(1)
    const other = stage.member({ 'client.id': 'B', 'partition.assignment.strategy': 'range' })
    await other.untilOwns([1])
    const before = await stage.untilStable(2)
    const mark = other.events.length
    await stage.produce([{ value: 'slow', partition: 0 }])
    await program.until(({ stdout }) => stdout.includes('begun\n'))
    return { program, other, before, mark }
  }

  test('S000-10 keeps its membership under a handler that is slower than max.poll.interval', async () => {
    for (const { stdout, members } of await slowHandler()) {
      assert.deepEqual(members[1], members[0])
      assert.deepEqual(stdout.match(/done \d/g), ['done 0', 'done 1', 'done 2'])
    }
  })

  test('S000-11 takes in 1,001 or 1,002 records and no more while the handler is stuck', async () => {
    for (const { intake, committed } of await fullQueue()) {
      assert.ok(intake[0] === 1_001 || intake[0] === 1_002, `${intake[0]}`)
      assert.ok(committed[0]! <= 1_002, `${committed[0]}`)
    }
  })

  test('S000-12 CONTRADICTION: put() on the full queue blocks the poll loop, and the member is evicted', async () => {
    for (const { withMember, evicted } of await fullQueue()) {
      assert.equal(withMember.members.length, 1)
      assert.deepEqual(evicted, { ...evicted, state: 'Empty', members: [] })
    }
  })

  test('S000-13 CONTRADICTION: a commit at the queue loses the 18 records that were in it', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-13', { kind })
      await stage.produce(numbered(20))
      const handler = [
        'if msg.offset() == 2:',
        "    print('begun 2', flush=True)",
        '    sys.stdin.readline()',
        "print('done', msg.offset(), flush=True)",
      ]
      const first = await stage.run(queuePattern(stage, handler))
      await first.until(({ stdout }) => stdout.includes('begun 2\n'))
      await stage.untilCommitted(20)
      first.kill('SIGKILL')
      await first.finished()
      await stage.produce(['20'])
      const second = await stage.run(queuePattern(stage, handler))
      await second.until(({ stdout }) => /done \d+\n/.test(stdout))
      assert.equal(first.stdout, 'done 0\ndone 1\nbegun 2\n')
      assert.equal(second.stdout, 'done 20\n')
    })
  })

  test('S000-14 drops errors without a word', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-14', { kind, partitions: 0 })
      const spy = {
        '        if msg:\n':
          '        if msg:\n             print(msg.error().name(), file=sys.stderr, flush=True)\n',
      }
      const program = await stage.run(queuePattern(stage, ["print('handled', flush=True)"], spy))
      await program.until(({ stderr }) => stderr.includes('UNKNOWN_TOPIC_OR_PART\n'))
      assert.equal(program.stdout, '')
      assert.ok(alive(program))
    })
  })

  test('S000-15 processes one record at a time, in order', async () => {
    for (const { stdout } of await slowHandler())
      assert.equal(stdout, 'begun 0\ndone 0\nbegun 1\ndone 1\nbegun 2\ndone 2\n')
  })

  test('S000-17 leaves ten of twenty members on ten partitions without one', async () => {
    await using stage = await Stage.set(broker, 's000-17', { partitions: 10 })
    const members = Array.from({ length: 20 }, () => stage.member())
    await Promise.all(members.map((member) => member.untilTold('assign')))
    await eventually(
      async () => members.map(({ owned }) => owned.length),
      (counts) => counts.reduce((sum, count) => sum + count, 0) === 10 && Math.max(...counts) === 1,
    )
    const group = await stage.untilStable(20)
    const sizes = group.members.map(({ partitions }) => partitions.length).toSorted((a, b) => a - b)
    assert.deepEqual(sizes, [
      ...Array.from({ length: 10 }, () => 0),
      ...Array.from({ length: 10 }, () => 1),
    ])
    const owned = members.flatMap((member) => member.owned).sort((left, right) => left - right)
    assert.deepEqual(owned, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('S000-19 loses the record in work when it crashes after the automatic commit', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-19', { kind })
      const { committed, first, second } = await losesRecordInWork(stage)
      assert.deepEqual(committed, [1])
      assert.equal(first, 'begun 0\n')
      assert.equal(second, 'begun 1\n')
    })
  })

  test('S000-21 FALSE: thirty seconds in the loop trigger no rebalance under default settings', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-21', { kind, partitions: 2 })
      const run = await blockedLoop(stage, 'time.sleep(30)', '')
      await run.program.until(({ stdout }) => stdout.includes('commit None\n'))
      assert.deepEqual(run.other.events.slice(run.mark), [])
      assert.deepEqual(await broker.observer.group(stage.group), run.before)
    })
  })

  test('S000-22 evicts a member that does not poll within max.poll.interval, and refuses its late commit', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-22', { kind, partitions: 2 })
      const run = await blockedLoop(stage, 'sys.stdin.readline()', SHORT_LIMIT)
      await run.other.untilOwns([0, 1])
      await run.other.untilMessages(1)
      assert.doesNotMatch(run.program.stdout, /ended/)
      run.program.write('\n')
      const { exitCode, stdout, stderr } = await run.program.finished()
      assert.equal(exitCode, 1)
      assert.match(stderr, /KafkaException: KafkaError\{code=_MAX_POLL_EXCEEDED/)
      assert.match(stdout, /ended\n/)
      assert.match(stdout, /commit (?!None)\w+\n/)
      assert.deepEqual(await stage.committed(), [-1, -1])
    })
  })

  test('S000-23 stops the world: a member is revoked everything, also what it keeps', async () => {
    await using stage = await Stage.set(broker, 's000-23', { partitions: 4 })
    const conf = { 'partition.assignment.strategy': 'range' }
    const first = stage.member({ ...conf, 'client.id': 'A' })
    await first.untilOwns([0, 1, 2, 3])
    const second = stage.member({ ...conf, 'client.id': 'B' })
    await second.untilOwns([2, 3])
    await first.untilOwns([0, 1])
    assert.deepEqual(first.told('revoke'), [0, 1, 2, 3])
  })
}
