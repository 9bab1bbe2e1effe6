/**
 * Seed 000, lines 5-49 and 91-94: the poll loop that processes first and commits after, verbatim.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { PythonKind } from '../real/python.ts'
import { pollLoop } from './seed-program.ts'
import { eachClient, numbered, SeedBroker, Stage } from './stage.ts'
import { BEFORE_SESSION_END_MS, elapse, eventually, once, ROOM_MS, timed } from './waiting.ts'

const TELL = ["print('processed', msg.offset(), flush=True)"]
/** Tells that it has begun, and works until the test lets it end. */
const WORK = [
  "print('begun', msg.offset(), flush=True)",
  'sys.stdin.readline()',
  "print('processed', msg.offset(), flush=True)",
]

/** The rows of the poll loop. */
export function pollLoopRows(): void {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** Twenty records, produced before the group exists. */
  const verbatim = once(() =>
    eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-02', { kind })
      await stage.produce(numbered(20))
      const program = await stage.run(pollLoop(stage, TELL))
      await program.until(({ stdout }) => stdout.includes('processed 19\n'))
      const toCommitMs = await timed(() => stage.untilCommitted(20))
      return { stdout: program.stdout, toCommitMs }
    }),
  )

  /** Killed while record 2 is in work, which came after record 1 was committed; then restarted. */
  const killed = once(() => eachClient(killInWork))

  async function killInWork(kind: PythonKind) {
    await using stage = await Stage.set(broker, 's000-07', { kind })
    await stage.produce(numbered(2))
    const first = await stage.run(pollLoop(stage, WORK))
    first.write('\n\n')
    await stage.untilCommitted(2)
    await stage.produce(['2'])
    await first.until(({ stdout }) => stdout.includes('begun 2\n'))
    // longer than the five seconds after which an automatic commit would have come
    await elapse(6_000)
    const committed = await stage.committed()
    first.kill('SIGKILL')
    await first.finished()
    const second = await stage.run(pollLoop(stage, TELL))
    await stage.untilCommitted(3)
    return { committed, first: first.stdout, second: second.stdout }
  }

  test('S000-01 balances three members over three partitions one to one', async () => {
    await using stage = await Stage.set(broker, 's000-01', { partitions: 3 })
    const members = ['A', 'B', 'C'].map((id) =>
      stage.member({ 'client.id': id, 'partition.assignment.strategy': 'range' }),
    )
    await Promise.all(members.map((member, index) => member.untilOwns([index])))
    const group = await stage.untilStable(3)
    assert.equal(group.protocol, 'range')
    assert.deepEqual(group.members.map(({ partitions }) => partitions.join()).sort(), [
      '0',
      '1',
      '2',
    ])
  })

  test('S000-02 processes every record once and has committed the end', async () => {
    for (const { stdout } of await verbatim())
      assert.equal(
        stdout.trim(),
        numbered(20)
          .map((n) => `processed ${n}`)
          .join('\n'),
      )
  })

  test('S000-03 starts at the earliest record, and only its own commits count', async () => {
    for (const { stdout } of await verbatim()) assert.match(stdout, /^\s*processed 0\n/)
    for (const { committed } of await killed()) assert.deepEqual(committed, [2])
  })

  test('S000-04 stays alive and silent on an empty topic', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-04', { kind })
      const program = await stage.run(pollLoop(stage, TELL))
      const [member] = (await stage.untilStable(1)).members
      await elapse(3_500)
      assert.deepEqual([program.stdout, program.stderr], ['', ''])
      assert.deepEqual((await stage.untilStable(1)).members, [member])
      await stage.produce(['late'])
      await program.until(({ stdout }) => stdout === 'processed 0\n')
    })
  })

  test('S000-05 continues at the end of a partition, which only enable.partition.eof tells it', async () => {
    await eachClient(async (kind) => {
      for (const enabled of [true, false]) {
        await using stage = await Stage.set(broker, `s000-05-${enabled}`, { kind })
        await stage.produce(['0'])
        const run = pollLoop(stage, TELL, enabled ? ", 'enable.partition.eof': True" : '')
        const branch = '_PARTITION_EOF:\n                continue'
        const told = branch.replace(
          'continue',
          "print('end', flush=True)\n                continue",
        )
        const program = await stage.run({ ...run, replace: { ...run.replace, [branch]: told } })
        await program.until(({ stdout }) => stdout.includes(enabled ? 'end\n' : 'processed 0\n'))
        await stage.untilCommitted(1)
        await stage.produce(['1'])
        await program.until(({ stdout }) => stdout.includes('processed 1\n'))
        await stage.untilCommitted(2)
        assert.equal(program.stdout.includes('end'), enabled)
      }
    })
  })

  test('S000-06 ends on any other error: without the topic exit 1 and UNKNOWN_TOPIC_OR_PART', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-06', { kind, partitions: 0 })
      const program = await stage.run(pollLoop(stage, TELL))
      const { exitCode, stderr } = await program.finished()
      assert.equal(exitCode, 1)
      assert.match(stderr, /KafkaException: KafkaError\{code=UNKNOWN_TOPIC_OR_PART/)
    })
  })

  test('S000-07 begins again at the record that was in work when it was killed', async () => {
    for (const { committed, first, second } of await killed()) {
      assert.deepEqual(committed, [2])
      assert.equal(first, 'begun 0\nprocessed 0\nbegun 1\nprocessed 1\nbegun 2\n')
      assert.equal(second, 'processed 2\n')
    }
  })

  test('S000-08 has its asynchronous commit at the broker within five seconds', async () => {
    for (const { toCommitMs } of await verbatim())
      assert.ok(toCommitMs < 5_000 + ROOM_MS, `${toCommitMs} ms`)
  })

  test('S000-09 gives its partitions to the other member at once when it closes', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's000-09', { kind, partitions: 2 })
      const program = await stage.run(pollLoop(stage, TELL))
      await stage.untilStable(1)
      const other = stage.member()
      await other.untilOwnsSome(1)
      await stage.untilStable(2)
      program.kill('SIGINT')
      const tookMs = await timed(() => other.untilOwns([0, 1]))
      const { stderr } = await program.finished()
      assert.match(stderr, /KeyboardInterrupt/)
      assert.ok(tookMs < BEFORE_SESSION_END_MS, `${tookMs} ms, where the session lasts 45 s`)
    })
  })

  test('S000-20 loses nothing when it commits after processing', async () => {
    for (const { stdout } of await verbatim())
      assert.deepEqual(new Set(stdout.match(/\d+/g)), new Set(numbered(20)))
    for (const { first, second } of await killed())
      assert.deepEqual(`${first}${second}`.match(/processed \d/g), [
        'processed 0',
        'processed 1',
        'processed 2',
      ])
  })

  test('S000-26 CONTRADICTION: a commit without a message covers the record in work; with one it does not', async (context) => {
    await eachClient(async (kind) => {
      const [without, withMessage] = await Promise.all([
        committedDuringWork(kind, {}),
        committedDuringWork(kind, { 'commit(asynchronous=True)': 'commit(message=msg)' }),
      ])
      const early = without.filter(({ offset, committed }) => committed > offset).length
      context.diagnostic(`confluent-kafka ${kind}: ${early} of 20 records in work were committed`)
      assert.ok(early > 0, 'the race that loses records was not seen')
      assert.deepEqual(
        withMessage.filter(({ offset, committed }) => committed !== offset),
        [],
      )
    })
  })

  /** Of 400 records every 20th is slow; what was committed while it was in work, once its forerunner's commit is there. */
  async function committedDuringWork(kind: PythonKind, replace: Readonly<Record<string, string>>) {
    const name = `s000-26-${Object.keys(replace).length}`
    await using stage = await Stage.set(broker, name, { kind })
    await stage.produce(numbered(400))
    const slow = [
      'if msg.offset() % 20 != 19: return',
      "print('begun', msg.offset(), flush=True)",
      'sys.stdin.readline()',
    ]
    const run = pollLoop(stage, slow)
    const program = await stage.run({ ...run, replace: { ...run.replace, ...replace } })
    const looks: { offset: number; committed: number }[] = []
    for (let offset = 19; offset < 400; offset += 20) {
      await program.until(({ stdout }) => stdout.includes(`begun ${offset}\n`))
      const [committed] = await eventually(
        () => stage.committed(),
        ([now]) => now! >= offset,
      )
      looks.push({ offset, committed: committed! })
      program.write('\n')
    }
    return looks
  }
}
