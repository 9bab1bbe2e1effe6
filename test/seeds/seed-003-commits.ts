/**
 * Seed 003, lines 271-445 and 518-619: automatic and manual commits, and what each of them loses or repeats.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { losesRecordInWork } from './scenarios.ts'
import {
  autoCommit,
  completeLoopOn,
  idempotent,
  losingMessages,
  manualCommit,
} from './seed-program.ts'
import { eachClient, numbered, SeedBroker, Stage } from './stage.ts'
import { BEFORE_SESSION_END_MS, eventually, once, timed } from './waiting.ts'

/** Fails on the value 3 (the fourth record) while the database is away. */
const FAILING = ["if value['id'] == 3: raise Exception('Database connection error')"]
const values = (count: number) => numbered(count).map((id) => `{"id": ${id}}`)

/** The rows of commits. */
export function commitRows(): void {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** Four records of which the fourth fails, a kill, and a restart with the database back. */
  const restarted = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-36', { kind })
      await stage.produce(values(4))
      const first = await stage.run(manualCommit(stage, FAILING))
      await first.until(({ stdout }) => stdout.includes('connection error\n'))
      await stage.untilCommitted(3)
      first.kill('SIGKILL')
      await first.finished()
      const second = await stage.run(manualCommit(stage, ['pass']))
      await second.until(({ stdout }) => stdout.includes('\n'))
      await stage.untilCommitted(4)
      return { first: first.stdout, second: second.stdout }
    }),
  )

  /** The page's timeline: offset 100 in work when the automatic commit of every five seconds comes. */
  const timeline = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-32', { kind })
      return await losesRecordInWork(stage, 100, autoCommit)
    }),
  )

  /** The first prompt's program: an automatic commit every second, five to ten seconds of work. */
  const losing = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-61', { kind })
      return await losesRecordInWork(stage)
    }),
  )

  /** The idempotent example, crashed between insert and commit; its restart, and the log that both write. */
  const idempotence = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-44', { kind })
      await stage.produce(['{"id": "task-1"}', '{"id": "broken"}'])
      const log = await stage.folder()
      const first = await stage.run(await idempotent(stage, log, { crashAfterInsert: true }))
      const crashed = await first.finished()
      const committedAfterCrash = await stage.committed()
      const second = await stage.run(await idempotent(stage, log, { crashAfterInsert: false }))
      await second.until(({ stdout }) => stdout.includes('entries 1\nentries 1\n'))
      await stage.untilCommitted(1)
      return {
        crashed,
        committedAfterCrash,
        second: second.stdout,
        errors: second.stderr,
        committed: await stage.committed(),
      }
    }),
  )

  /** What the three kinds of commit return, and how long an asynchronous one takes. */
  const commitModes = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-45', { kind })
      await stage.produce(numbered(3))
      const conf = JSON.stringify(stage.configuration())
      const program = stage.script('commit-modes.py', [conf, stage.topic])
      const { exitCode, stdout, stderr } = await program.finished()
      assert.equal(exitCode, 0, stderr)
      return JSON.parse(stdout) as {
        readonly synchronous: readonly (readonly [partition: number, offset: number])[]
        readonly byDefault: unknown
        readonly asynchronous: unknown
        readonly seconds: number
      }
    }),
  )

  /** An asynchronous commit of a member that was evicted because it did not poll. */
  const lateCommit = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-47', { kind })
      await stage.produce(['0'])
      const conf = { 'max.poll.interval.ms': 12_000, 'session.timeout.ms': 12_000 }
      const args = [JSON.stringify(stage.configuration(conf)), stage.topic]
      const program = stage.script('late-commit.py', args)
      await program.until(({ stdout }) => stdout.includes('taken\n'))
      await stage.untilMembers(0)
      program.write('\n')
      const { stdout } = await program.finished()
      const told = JSON.parse(stdout.replace('taken\n', '')) as { raised: unknown; told: unknown }
      return { ...told, committed: await stage.committed() }
    }),
  )

  test('S003-02 follows the pattern poll, process, commit', async () => {
    for (const { first } of await restarted())
      assert.match(
        first,
        /^\n*Processed and committed offset 0\nProcessed and committed offset 1\n/,
      )
  })

  test('S003-31 makes a consumer of the auto-commit fragment', async () => {
    for (const { first } of await timeline()) assert.match(first, /^begun 100\n$/)
  })

  test('S003-32 loses offset 100 as in the timeline: the automatic commit says 101 while it is in work', async () => {
    for (const { committed } of await timeline()) assert.deepEqual(committed, [101])
  })

  test('S003-33 never retries the lost record', async () => {
    for (const { second } of await timeline()) assert.equal(second, 'begun 101\n')
  })

  test('S003-35 runs the manual commit program', async () => {
    for (const { first, second } of await restarted()) {
      assert.equal(first.match(/^Processed and committed offset \d$/gm)?.length, 3)
      assert.equal(second.match(/^Processed and committed offset \d$/gm)?.length, 1)
    }
  })

  test('S003-36 prints what the page prints before and after the restart, byte for byte', async () => {
    for (const { first, second } of await restarted())
      assert.equal(
        `${first}# Consumer restarts later...\n${second}`,
        `Processed and committed offset 0
Processed and committed offset 1
Processed and committed offset 2
Processing failed: Database connection error
# Consumer restarts later...
Processed and committed offset 3
`,
      )
  })

  test('S003-37 FALSE: a failed record is not reprocessed on restart once a later one was committed: lost', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-37', { kind })
      await stage.produce(values(5))
      const first = await stage.run(manualCommit(stage, FAILING))
      await first.until(({ stdout }) => stdout.includes('committed offset 4\n'))
      await stage.untilCommitted(5)
      first.kill('SIGKILL')
      await first.finished()
      assert.match(
        first.stdout,
        /offset 2\nProcessing failed: .*\nProcessed and committed offset 4\n/,
      )
      await stage.produce(['{"id": 5}'])
      const second = await stage.run(manualCommit(stage, ['pass']))
      await second.until(({ stdout }) => stdout.includes('offset 5\n'))
      assert.equal(second.stdout, 'Processed and committed offset 5\n')
    })
  })

  test('S003-38 commits 101 when the record at offset 100 was processed', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-38', { kind })
      await stage.produce(values(101).map((value) => value.replace('3}', '30}')))
      const program = await stage.run(manualCommit(stage, ['pass']))
      await program.until(({ stdout }) => stdout.includes('committed offset 100\n'))
      await stage.untilCommitted(101)
    })
  })

  test('S003-39 processes at least once with a commit for each message', async () => {
    for (const { first, second } of await restarted())
      assert.deepEqual(`${first}${second}`.match(/offset \d/g), [
        'offset 0',
        'offset 1',
        'offset 2',
        'offset 3',
      ])
  })

  test('S003-40 commits once for a batch', async () => {
    await using stage = await Stage.set(broker, 's003-40')
    await stage.produce(numbered(10))
    const member = stage.member({}, { pauseAfter: 5 })
    await member.untilTold('paused')
    member.tell('commit')
    assert.deepEqual((await member.untilTold('commit-returned')).offsets, [[stage.topic, 0, 5]])
    await member.close()
    const next = stage.member()
    await next.untilMessages(5)
    assert.equal(next.messages[0]!.offset, 5)
  })

  test('S003-41 CONTRADICTION: automatic commits are not at-most-once: they lose records, and repeat them too', async () => {
    for (const { second } of await timeline()) assert.doesNotMatch(second, /begun 100/)
    await using stage = await Stage.set(broker, 's003-41')
    await stage.produce(numbered(5))
    const conf = {
      'enable.auto.commit': true,
      // the crash comes before the next automatic commit
      'auto.commit.interval.ms': 60_000,
      'session.timeout.ms': 12_000,
    }
    const first = stage.member(conf)
    await first.untilMessages(5)
    await first.crash()
    const second = stage.member(conf)
    await second.untilMessages(5)
    assert.deepEqual(
      second.messages.map(({ offset }) => offset),
      [0, 1, 2, 3, 4],
    )
  })

  test('S003-42 commits only what succeeded, in the at-least-once pattern', async () => {
    for (const { committed, errors } of await idempotence()) {
      assert.match(errors, /Failed to process: no such task/)
      assert.deepEqual(committed, [1])
    }
  })

  test('S003-43 has the same result when a record is processed twice', async () => {
    for (const { second } of await idempotence()) assert.match(second, /^entries 1$/m)
  })

  test('S003-44 skips after a crash between insert and commit, and then commits', async () => {
    for (const { crashed, committedAfterCrash, second } of await idempotence()) {
      assert.deepEqual([crashed.exitCode, crashed.stdout], [null, 'skipped=None\n'])
      assert.deepEqual(committedAfterCrash, [-1])
      assert.match(second, /^skipped=True\n/)
    }
  })

  test("S003-45 CONTRADICTION: a synchronous commit returns the partitions, and is not the client's default", async () => {
    for (const { synchronous, byDefault } of await commitModes()) {
      assert.deepEqual(synchronous, [[0, 1]])
      assert.equal(byDefault, null)
    }
  })

  test('S003-46 returns at once from an asynchronous commit', async () => {
    for (const { asynchronous, seconds } of await commitModes()) {
      assert.equal(asynchronous, null)
      assert.ok(seconds < 3 * 0.001, `${seconds} s`)
    }
  })

  test('S003-47 lets an asynchronous commit fail silently: no exception, only on_commit', async () => {
    for (const { raised, told, committed } of await lateCommit()) {
      assert.equal(raised, null)
      assert.notEqual(told, null)
      assert.deepEqual(committed, [-1])
    }
  })

  test('S003-56 sees the mistakes of the table: no close() leaves the session to run out, commits before the work lose', async () => {
    for (const { first, second } of await losing()) assert.notEqual(first, second)
    await using stage = await Stage.set(broker, 's003-56', { partitions: 2 })
    const [closing, staying] = [stage.member(), stage.member()]
    await Promise.all([closing.untilOwnsSome(1), staying.untilOwnsSome(1)])
    const closed = closing.close()
    const tookMs = await timed(() => staying.untilOwns([0, 1]))
    await closed
    assert.ok(tookMs < BEFORE_SESSION_END_MS, `${tookMs} ms, where the session lasts 45 s`)
  })

  test('S003-58 reaches the objectives: an end of partition that goes on, and commits by batch', async () => {
    await using stage = await Stage.set(broker, 's003-58')
    const member = stage.member({ 'enable.partition.eof': true }, { pauseAfter: 3 })
    assert.equal((await member.untilTold('eof')).offset, 0)
    await stage.produce(numbered(3))
    await member.untilTold('paused')
    member.tell('commit')
    assert.deepEqual((await member.untilTold('commit-returned')).offsets, [[stage.topic, 0, 3]])
  })

  test('S003-61 reproduces the consumer that loses messages: commits every second under slow work, and no reset policy', async () => {
    for (const { committed, first, second } of await losing()) {
      assert.deepEqual(committed, [1])
      assert.equal(first, 'begun 0\n')
      assert.equal(second, 'begun 1\n')
    }
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-61-latest', { kind })
      await stage.produce(['before the first start'])
      const program = await stage.run(losingMessages(stage, ['print(msg.value(), flush=True)']))
      await eventually(
        async () => {
          await stage.produce(['after it'])
          return program.stdout
        },
        (stdout) => stdout !== '',
      )
      assert.match(program.stdout, /^b'after it'\n/)
    })
  })

  test('S003-62 sends no e-mail twice: what was done is stored before the commit, and looked up', async () => {
    for (const { crashed, second } of await idempotence()) {
      assert.equal(`${crashed.stdout}${second}`.match(/skipped=None/g)?.length, 1)
      assert.equal(second.match(/skipped=True/g)?.length, 1)
    }
  })

  test('S003-64 resumes from the last committed offset when it was killed in the work', async () => {
    for (const { second } of await restarted())
      assert.equal(second, 'Processed and committed offset 3\n')
  })

  test('S003-65 CONTRADICTION: one value that is not JSON ends the "production-ready" loop, and close() commits past it', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's003-65', { kind })
      await stage.produce(['{"title": "first"}', 'not JSON', '{"title": "third"}'])
      const first = await stage.run(completeLoopOn(stage))
      const { exitCode, stdout, stderr } = await first.finished()
      assert.equal(exitCode, 1)
      assert.match(stderr, /json\.decoder\.JSONDecodeError/)
      assert.ok(stdout.endsWith('Closing consumer...\nConsumer closed.\n'))
      assert.deepEqual(await stage.committed(), [2])
      const second = await stage.run(completeLoopOn(stage))
      await second.until(({ stdout }) => stdout.includes('Offset: 2\n'))
      assert.doesNotMatch(second.stdout, /Offset: [01]/)
    })
  })
}
