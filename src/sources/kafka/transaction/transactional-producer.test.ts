import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CommitResult, OutgoingRecord } from '../../../consumer/index.ts'
import { addPartitionsToTxn, allApis, produce, txnOffsetCommit } from '../../../protocol/index.ts'
import type { ClusterScript } from '../cluster-script.test.ts'
import { openSession } from '../session-fixture.test.ts'
import { partitionKey } from '../topic-partition.ts'
import { ScriptedTransactions } from './scripted-transactions.test.ts'
import type { Fault, TransactionStep } from './scripted-transactions.test.ts'

const FIRST = partitionKey({ topic: 't', partition: 0 })

async function open(options: Parameters<typeof openSession>[0] = {}) {
  let transactions: ScriptedTransactions | null = null
  const before = ({ script }: { script: ClusterScript }) => {
    script.leaders.set('out', [1])
    transactions = new ScriptedTransactions(script)
  }
  const world = await openSession({ ...options, exactlyOnce: true, before })
  /** Lets time pass until it settles. */
  const settled = async <T>(something: Promise<T>): Promise<T> => {
    const state = { over: false }
    const mark = () => void (state.over = true)
    something.then(mark, mark)
    for (let left = 2_000; !state.over && left > 0; left--) await world.clock.advance(100)
    return something
  }
  /** One commit of the first partition with these outputs. */
  const once = async (outputs: readonly OutgoingRecord[]): Promise<CommitResult> => {
    const { epoch } = world.assigned.findLast(({ partition }) => partition === 0)!
    const position = { topic: 't', partition: 0, epoch, offset: 5, metadata: 'm5', outputs }
    const [result] = await settled(world.session.commit([position]))
    return result!
  }
  /** Again and again with the same outputs, as the runtime does it. */
  const commit = async (values: readonly string[], most = 12): Promise<CommitResult[]> => {
    const outputs = values.map((value) => outputOf(value))
    const results: CommitResult[] = []
    for (let left = most; left > 0; left--) {
      const result = await once(outputs)
      results.push(result)
      if (result.outcome !== 'retry') break
    }
    return results
  }
  return { world, transactions: transactions as unknown as ScriptedTransactions, commit, settled }
}

function outputOf(value: string): OutgoingRecord {
  return { topic: 'out', partition: 0, key: null, value: Buffer.from(value), headers: [] }
}

const STEPS: readonly TransactionStep[] = ['partitions', 'produce', 'add-offsets', 'offsets', 'end']
const FAULTS: readonly Fault[] = [
  'request lost',
  'answer lost',
  'answer lost, then fenced',
  'CONCURRENT_TRANSACTIONS',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
  'TRANSACTION_ABORTABLE',
  'UNKNOWN_SERVER_ERROR',
]

describe('a commit with outputs', () => {
  test('is one transaction, and the next one begins without a new epoch', async () => {
    const { world, transactions, commit } = await open()
    const begun = transactions.epoch
    for (const value of ['a', 'b'])
      assert.deepEqual(
        (await commit([value])).map(({ outcome }) => outcome),
        ['committed'],
      )
    assert.deepEqual([transactions.visible, transactions.epoch], [['a', 'b'], begun])
    assert.deepEqual(world.script.committed.get(FIRST), { offset: 5, metadata: 'm5' })
    const [sent] = world.script.transport.asked(txnOffsetCommit)
    assert.deepEqual([sent?.generationId, sent?.memberId], [1, world.session.memberId])
    await world.session.close()
  })

  for (const step of STEPS)
    test(`is visible once, whatever happens to the request ${step}`, async () => {
      for (const fault of FAULTS) {
        const { world, transactions, commit } = await open()
        transactions.fault = (asked) => (asked === step ? fault : undefined)
        const results = await commit(['a', 'b', 'c'])
        const words = `${step}: ${fault}: ${results.map(({ outcome }) => outcome).join()}`
        assert.equal(results.at(-1)?.outcome, 'committed', words)
        assert.deepEqual(transactions.visible, ['a', 'b', 'c'], words)
        assert.deepEqual(world.script.committed.get(FIRST), { offset: 5, metadata: 'm5' }, words)
        assert.deepEqual(world.codes(), [], words)
        await world.session.close()
      }
    })

  test('of which one output is too large refuses that one, and nothing is visible', async () => {
    const { world, transactions, commit } = await open()
    transactions.refuse = (values) =>
      values.join('').length > 40 ? 'MESSAGE_TOO_LARGE' : undefined
    const big = 'x'.repeat(50)
    const results = await commit(['a', 'b', big, 'c', 'd'])
    assert.equal(results.at(-1)?.outcome, 'refused')
    assert.equal(Buffer.from(results.at(-1)?.refused?.output.value ?? []).toString(), big)
    assert.match(results.at(-1)?.refused?.reason ?? '', /^MESSAGE_TOO_LARGE: topic out/)
    assert.deepEqual([transactions.visible, world.script.committed.has(FIRST)], [[], false])
    assert.equal((await commit(['a', 'b', 'letter'])).at(-1)?.outcome, 'committed')
    assert.deepEqual(transactions.visible, ['a', 'b', 'letter'])
    await world.session.close()
  })

  test('of a member that lost its place is stale, and nothing is visible', async () => {
    for (const error of ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'] as const) {
      const { world, transactions, commit } = await open()
      transactions.fault = (step) => (step === 'offsets' ? error : undefined)
      assert.deepEqual((await commit(['a'])).at(-1)?.outcome, 'stale', error)
      assert.deepEqual(transactions.visible, [])
      assert.equal(world.lost.length, 2)
      await world.session.close()
    }
  })

  test('whose metadata the broker does not take ends the session with what to do', async () => {
    const { world, transactions, commit } = await open()
    transactions.fault = (step) => (step === 'offsets' ? 'OFFSET_METADATA_TOO_LARGE' : undefined)
    await commit(['a'], 1)
    assert.deepEqual([world.codes(), transactions.visible], [['SHOAL_INVALID_ARGUMENT'], []])
    await world.session.close()
  })

  test('that hangs does not keep the member from leaving', async () => {
    const { world, settled } = await open()
    world.script.transport.on(produce, () => new Promise<never>(() => {}))
    const { epoch } = world.assigned[0]!
    const position = { topic: 't', partition: 0, epoch, offset: 5, metadata: '' }
    const hanging = world.session.commit([{ ...position, outputs: [outputOf('a')] }])
    await world.clock.advance(10)
    await settled(world.session.close())
    assert.notEqual((await settled(hanging))[0]?.outcome, 'committed')
  })
})

test('a commit without outputs is no transaction', async () => {
  const { world } = await open()
  assert.equal(await world.commit(0, 3), 'committed')
  assert.equal(world.asked(addPartitionsToTxn), 0)
  await world.session.close()
})

test('the transactional id is that of the static member, else one of its own; a broker without transactions is refused', async () => {
  const { world } = await open({ options: { groupInstanceId: 'one' } })
  await world.session.close()
  const before = ({ script }: { script: ClusterScript }) => {
    script.transport.versions = allApis
      .filter(({ key }) => key !== addPartitionsToTxn.key)
      .map(({ key, versions }) => ({
        apiKey: key,
        minVersion: versions[0],
        maxVersion: versions[1],
      }))
  }
  await assert.rejects(openSession({ exactlyOnce: true, before }), {
    code: 'SHOAL_REQUEST_FAILED',
    message: /^exactlyOnce: the broker has no transactions/,
  })
})
