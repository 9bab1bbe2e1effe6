/**
 * One member of a Kafka group with all that belongs to it: the source session that the runtime works with.
 *
 *   membership ──assign──▶ committed offsets, policy ──▶ runtime.assigned, fetcher.add
 *              ──revoke──▶ fetcher.remove, runtime.revoked (drains, commits) ──▶ released
 *              ──lose────▶ fetcher.remove, runtime.lost
 *   runtime    ──commit──▶ waits for a join that is under way, then only for what is still owned
 *
 * A partition is `pending` from its assignment until its start offset is known, then it is announced. One that is taken
 * away while pending is never heard of by the runtime.
 */

import { ShoalError, messageOf, sleep } from '../../core/index.ts'
import type {
  CommitPosition,
  CommitResult,
  OutgoingRecord,
  OwnedPartition,
  ReadAnswer,
  ReadRequest,
  SourceContext,
  SourceSession,
} from '../../consumer/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { isRetriable } from '../../protocol/index.ts'
import { commitOutcome } from './commit-outcome.ts'
import { EpochTrail, UNKNOWN_EPOCH } from './epoch-trail.ts'
import type { ReadLog } from './fetch-track.ts'
import { Fetcher } from './fetcher.ts'
import { GroupMember } from './membership/group-member.ts'
import { isPassing } from './kafka-client.ts'
import type { KafkaClient } from './kafka-client.ts'
import { KafkaProducer } from './kafka-producer.ts'
import { readBack } from './read-back.ts'
import { partitionKey } from './topic-partition.ts'
import type { TopicPartition } from './topic-partition.ts'
import { commitOffsets, isCoordinatorError } from './offsets.ts'
import type { SourceSettings } from './options.ts'
import { outOfRange, StartFinder } from './start-finder.ts'
import { isOfProducer } from './transaction/transaction-cycle.ts'
import type { TransactionalProducer } from './transaction/transactional-producer.ts'
import type { Start } from './start-finder.ts'
import { TopicWatch } from './membership/topic-watch.ts'

/** Between the end of a drain and the rebalance timeout: for the last commit and the join to arrive. */
const RELEASE_MARGIN_MS = 2_000

export class KafkaSession implements SourceSession {
  readonly #client: KafkaClient
  readonly #settings: SourceSettings
  readonly #context: SourceContext
  readonly #member: GroupMember
  readonly #fetcher: Fetcher
  readonly #watch: TopicWatch
  readonly #starts: StartFinder
  readonly #pending = new Map<string, OwnedPartition>()
  readonly #announced = new Map<string, OwnedPartition>()
  /** Taken away from the runtime, which still finishes what it had begun. */
  readonly #draining = new Map<string, OwnedPartition>()
  /** What is read of each partition, by `partitionKey`; what is drained still commits with it. */
  readonly #logs = new Map<string, ReadLog>()
  /** The topic's id under which a partition was read last. */
  readonly #readAs = new Map<string, string>()
  /** Partitions of topics that were deleted and made anew: what is committed for their names is about other records. */
  readonly #remade = new Set<string>()
  readonly #transactions: TransactionalProducer | null
  #producer: KafkaProducer | null = null
  #closing: Promise<void> | null = null

  /** @param nextEpoch higher than any before it, over all sessions of the source */
  constructor(
    client: KafkaClient,
    settings: SourceSettings,
    context: SourceContext,
    nextEpoch: () => number,
    transactions: TransactionalProducer | null = null,
  ) {
    this.#client = client
    this.#transactions = transactions
    this.#settings = settings
    this.#context = context
    const { events, group } = context
    this.#watch = new TopicWatch(client, settings, {
      missing: (topic) => events.notice({ kind: 'topic-missing', topic }),
      changed: (isSubscription) => this.#member.topicsChanged(isSubscription),
    })
    this.#starts = new StartFinder({
      client,
      group,
      settings,
      topics: () => this.#watch.topics,
      hasAppeared: (topic) => this.#watch.hasAppeared(topic),
      isRemade: (partition) => this.#isRemade(partition),
      commit: (positions) => this.#commitStart(positions),
      notice: (notice) => events.notice(notice),
    })
    this.#fetcher = new Fetcher(client, settings, {
      records: (batch) => events.records(batch),
      endOfPartition: (partition, offset) => events.endOfPartition(partition, offset),
      outOfRange: (partition, offset, leaderEpoch) =>
        outOfRange(client, settings, { partition, offset, leaderEpoch }, (notice) =>
          events.notice(notice),
        ),
      remade: (topic) => this.#topicRemade(topic),
      failed: (error) => this.#failed(error),
    })
    this.#member = new GroupMember({
      client,
      group,
      settings,
      topics: () => this.#watch.topics,
      nextEpoch,
      events: {
        assign: (partitions, generation) => void this.#assign(partitions, generation),
        revoke: (partitions) => this.#revoke(partitions),
        lose: (partitions) => this.#lose(partitions),
        joined: (memberId, generation, protocol) =>
          events.notice({ kind: 'joined', memberId, generation, protocol }),
        planned: (counts) => this.#watch.plannedWith(counts),
        heartbeatFailed: (reason) => events.notice({ kind: 'heartbeat-failed', reason }),
        failed: (error) => this.#failed(error),
      },
    })
  }

  /** Joins the group. */
  start(): void {
    if (this.#closing !== null) return
    this.#watch.start()
    this.#member.start()
  }

  get memberId(): string {
    return this.#member.memberId
  }

  pause(partition: OwnedPartition): void {
    this.#fetcher.pause(partition)
  }

  resume(partition: OwnedPartition): void {
    this.#fetcher.resume(partition)
  }

  ownershipIsFresh(): boolean {
    return this.#member.isFresh()
  }

  async commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    // A commit beside a join would wait for it at the broker and then belong to an old generation.
    await this.#member.settled()
    await this.#lookAtDrained(positions)
    for (const topic of this.#remadeTopics(positions)) this.#topicRemade(topic)
    const [owned, stale] = partition(
      positions,
      (position) => this.#member.owns(position) && !this.#isDeleted(position),
    )
    const results: CommitResult[] = stale.map((position) => resultOf(position, 'stale'))
    if (owned.length === 0 || this.#member.isClosed)
      return [...results, ...owned.map((position) => resultOf(position, 'stale'))]
    const stored = owned.some(({ outputs = [] }) => outputs.length > 0)
      ? await this.#transact(owned)
      : await this.#commit(owned)
    return [...results, ...stored]
  }

  async produce(record: OutgoingRecord): Promise<void> {
    this.#producer ??= new KafkaProducer(this.#client, { lingerMs: 0 })
    await this.#producer.send(record)
  }

  read(request: ReadRequest): Promise<ReadAnswer> {
    return readBack(this.#client, request)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#fetcher.close()
    this.#watch.close()
    this.#pending.clear()
    this.#announced.clear()
    await this.#producer?.abort()
    await this.#endTransaction()
    this.#transactions?.close()
    await this.#member.close()
    await this.#client.close()
  }

  async #assign(partitions: readonly OwnedPartition[], generation: number): Promise<void> {
    for (const one of partitions) {
      this.#pending.set(partitionKey(one), one)
      this.#logs.delete(partitionKey(one))
    }
    const stillPending = () => partitions.filter((one) => this.#isPending(one))
    try {
      await this.#starts.find(stillPending, generation, (starts) =>
        this.#announce(starts.filter(({ assignment }) => this.#isPending(assignment))),
      )
    } catch (error) {
      if (stillPending().length > 0) this.#failed(error)
    }
  }

  #announce(starts: readonly Start[]): void {
    if (starts.length === 0) return
    for (const { assignment, leaderEpoch } of starts) {
      const { topic, partition, epoch } = assignment
      const key = partitionKey(assignment)
      this.#pending.delete(key)
      this.#announced.set(key, { topic, partition, epoch })
      this.#remade.delete(key)
      const topicId = this.#client.cluster.topics.get(topic)?.topicId ?? null
      if (topicId !== null) this.#readAs.set(key, topicId)
      this.#logs.set(key, { topicId, trail: new EpochTrail(leaderEpoch) })
    }
    this.#context.events.assigned(starts.map(({ assignment }) => assignment))
    for (const { assignment } of starts) {
      const { topic, partition, epoch, startOffset } = assignment
      const log = this.#logs.get(partitionKey(assignment))
      if (this.#isAnnounced(assignment))
        this.#fetcher.add({ topic, partition, epoch }, startOffset, log)
    }
  }

  async #revoke(partitions: readonly OwnedPartition[]): Promise<void> {
    const announced = this.#takeAway(partitions)
    if (announced.length === 0) return
    for (const one of announced) this.#draining.set(partitionKey(one), one)
    const limitMs = this.#drainLimitMs
    const over = new AbortController()
    const drained = this.#drain(announced, limitMs).finally(() => over.abort())
    await Promise.race([drained, sleep(this.#client.ports.timers, limitMs, over.signal)])
    await this.#endTransaction()
    for (const one of announced)
      if (isSame(this.#draining.get(partitionKey(one)), one))
        this.#draining.delete(partitionKey(one))
  }

  /** A runtime that fails to drain must not keep the partitions from the group. */
  async #drain(partitions: readonly OwnedPartition[], limitMs: number): Promise<void> {
    try {
      await this.#context.events.revoked(partitions, limitMs)
    } catch (error) {
      this.#client.ports.logger.log('error', 'draining revoked partitions failed', {
        reason: messageOf(error),
      })
    }
  }

  #lose(partitions: readonly OwnedPartition[]): void {
    const draining = partitions.filter((one) => isSame(this.#draining.get(partitionKey(one)), one))
    for (const one of draining) this.#draining.delete(partitionKey(one))
    const gone = [...this.#takeAway(partitions), ...draining]
    if (gone.length > 0 && this.#closing === null) this.#context.events.lost(gone)
  }

  /** Stops delivering; answers what the runtime knows of. */
  #takeAway(partitions: readonly OwnedPartition[]): readonly OwnedPartition[] {
    const announced = partitions.filter((one) => this.#isAnnounced(one))
    for (const one of partitions) {
      this.#fetcher.remove(one)
      if (this.#isPending(one)) this.#pending.delete(partitionKey(one))
      if (this.#isAnnounced(one)) this.#announced.delete(partitionKey(one))
    }
    return announced
  }

  /** What was read of the topic, and what is committed under its name, has nothing to do with what it holds now. */
  #topicRemade(topic: string): void {
    this.#watch.wasRemade(topic)
    for (const { partition } of this.#client.cluster.topics.get(topic)?.partitions ?? [])
      this.#remade.add(partitionKey({ topic, partition }))
    this.#member.topicRemade(topic)
  }

  #remadeTopics(positions: readonly CommitPosition[]): ReadonlySet<string> {
    const { topics } = this.#client.cluster
    const isRemade = (position: CommitPosition) => {
      const now = topics.get(position.topic)?.topicId ?? null
      const then = this.#logs.get(partitionKey(position))?.topicId ?? null
      return this.#member.owns(position) && now !== null && then !== null && now !== then
    }
    return new Set(positions.filter(isRemade).map(({ topic }) => topic))
  }

  /**
   * A partition may be taken away because its topic was deleted, and there may be another one of that name by now: its
   * position would count for that.
   */
  async #lookAtDrained(positions: readonly CommitPosition[]): Promise<void> {
    const drained = positions.filter((position) => this.#draining.has(partitionKey(position)))
    if (drained.length === 0) return
    try {
      await this.#client.refresh([...new Set(drained.map(({ topic }) => topic))])
    } catch (error) {
      this.#client.ports.logger.log('debug', 'a last commit goes by what was known of its topic', {
        reason: messageOf(error),
      })
    }
  }

  #isDeleted(position: CommitPosition): boolean {
    const isDrained = this.#draining.has(partitionKey(position))
    return isDrained && !this.#client.cluster.topics.has(position.topic)
  }

  /** Found while the old topic was read, or by its id when the partition comes back. */
  #isRemade(one: TopicPartition): boolean {
    const key = partitionKey(one)
    const now = this.#client.cluster.topics.get(one.topic)?.topicId ?? null
    const then = this.#readAs.get(key) ?? null
    return this.#remade.has(key) || (now !== null && then !== null && now !== then)
  }

  async #commitStart(
    positions: readonly (OwnedPartition & { readonly offset: number })[],
  ): Promise<boolean> {
    const results = await this.commit(positions.map((one) => ({ ...one, metadata: '' })))
    return results.every(({ outcome }) => outcome !== 'retry')
  }

  /** One transaction for the positions and what the handlers of their records sent. */
  async #transact(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    const asked = { generation: this.#member.generation, memberId: this.#member.memberId }
    const outputsOf = ({ outputs = [] }: CommitPosition) => outputs
    try {
      const answer = await this.#transactions?.run({
        group: this.#context.group,
        ...asked,
        groupInstanceId: this.#settings.groupInstanceId,
        positions: positions.map((position) => this.#withEpoch(position)),
        witnesses: positions.filter((position) => outputsOf(position).length > 0),
        outputs: positions.flatMap(outputsOf),
      })
      return positions.map((position) => {
        if (answer?.end === 'committed') return this.#stored(position)
        const { refused = null, errors = NO_ERRORS } = answer ?? {}
        if (refused !== null && outputsOf(position).includes(refused.output))
          return { ...resultOf(position, 'refused'), refused }
        const error = errors.get(partitionKey(position)) ?? 'NONE'
        if (error === TOO_LONG) this.#failed(metadataTooLong())
        else if (error !== 'NONE' && !isOfProducer(error))
          return this.#settle(position, asked, errors)
        return resultOf(position, this.#member.owns(position) ? 'retry' : 'stale')
      })
    } catch (error) {
      return this.#unanswered(positions, error)
    }
  }

  /** Partitions are released only when no transaction is open that may have to do with them. */
  async #endTransaction(): Promise<void> {
    const transactions = this.#transactions
    if (transactions === null || !transactions.isRunning) return
    const over = new AbortController()
    const ended = transactions.cancel().finally(() => over.abort())
    const waited = sleep(this.#client.ports.timers, RELEASE_MARGIN_MS / 2, over.signal)
    await Promise.race([ended, waited])
  }

  async #commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    const asked = { generation: this.#member.generation, memberId: this.#member.memberId }
    try {
      const { group } = this.#context
      const { groupInstanceId } = this.#settings
      const request = { group, ...asked, groupInstanceId }
      const withEpochs = positions.map((position) => this.#withEpoch(position))
      const errors = new Map(
        await commitOffsets(this.#client, { ...request, positions: withEpochs }),
      )
      const tooLong = positions.filter((one) => errors.get(partitionKey(one)) === TOO_LONG)
      // Exactly once the metadata says whose outputs are visible already.
      if (tooLong.length > 0 && this.#transactions !== null) this.#failed(metadataTooLong())
      else if (tooLong.length > 0) {
        // The position is what matters; without its metadata a restart repeats more, but loses nothing.
        const bare = tooLong.map((one) => ({ ...this.#withEpoch(one), metadata: '' }))
        const again = await commitOffsets(this.#client, { ...request, positions: bare })
        for (const [key, error] of again) errors.set(key, error)
      }
      return positions.map((position) => this.#settle(position, asked, errors))
    } catch (error) {
      return this.#unanswered(positions, error)
    }
  }

  #unanswered(positions: readonly CommitPosition[], error: unknown): readonly CommitResult[] {
    this.#client.ports.logger.log('debug', 'a commit had no answer', { reason: messageOf(error) })
    if (!isPassing(error) && this.#closing === null) this.#failed(error)
    return positions.map((position) => resultOf(position, 'retry'))
  }

  #settle(
    position: CommitPosition,
    asked: { generation: number; memberId: string },
    errors: ReadonlyMap<string, KafkaErrorCode>,
  ): CommitResult {
    const error = errors.get(partitionKey(position)) ?? 'UNKNOWN_SERVER_ERROR'
    if (isCoordinatorError(error)) this.#client.forgetCoordinator(this.#context.group)
    else if (error !== 'NONE' && !isRetriable(error)) this.#member.refused(asked, error)
    if (error === 'NONE') return this.#stored(position)
    return resultOf(position, commitOutcome(error, this.#member.owns(position)))
  }

  #stored(position: CommitPosition): CommitResult {
    this.#logs.get(partitionKey(position))?.trail.forgetBefore(position.offset)
    return resultOf(position, 'committed')
  }

  /** Lets whoever starts there see whether the log still is the one that was read. */
  #withEpoch(position: CommitPosition): CommitPosition & { readonly leaderEpoch: number } {
    const log = this.#logs.get(partitionKey(position))
    return { ...position, leaderEpoch: log?.trail.before(position.offset) ?? UNKNOWN_EPOCH }
  }

  #failed(error: unknown): void {
    if (this.#closing !== null) return
    const failure = error instanceof Error ? error : new Error(messageOf(error))
    if (failure instanceof ShoalError && failure.code === 'SHOAL_CLOSED') return
    this.#context.events.failed(failure)
  }

  #isPending(one: OwnedPartition): boolean {
    return isSame(this.#pending.get(partitionKey(one)), one)
  }

  #isAnnounced(one: OwnedPartition): boolean {
    return isSame(this.#announced.get(partitionKey(one)), one)
  }

  get #drainLimitMs(): number {
    const { rebalanceTimeoutMs, heartbeatIntervalMs } = this.#settings
    // Notice of the rebalance may come a heartbeat late.
    const ownMs = rebalanceTimeoutMs - heartbeatIntervalMs - RELEASE_MARGIN_MS
    return Math.max(
      0,
      Math.min(this.#context.drainTimeoutMs, Math.max(ownMs, rebalanceTimeoutMs / 2)),
    )
  }
}

const NO_ERRORS: ReadonlyMap<string, KafkaErrorCode> = new Map()
const TOO_LONG: KafkaErrorCode = 'OFFSET_METADATA_TOO_LARGE'

function metadataTooLong(): ShoalError {
  return new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    'exactlyOnce: the broker takes no commit metadata of this length; set completionMemory: { maxLength } to its offset.metadata.max.bytes',
  )
}

function isSame(known: OwnedPartition | undefined, { epoch }: OwnedPartition): boolean {
  return known?.epoch === epoch
}

function resultOf(
  { topic, partition, epoch }: OwnedPartition,
  outcome: CommitResult['outcome'],
): CommitResult {
  return { topic, partition, epoch, outcome }
}

function partition<Item>(
  items: readonly Item[],
  holds: (item: Item) => boolean,
): readonly [Item[], Item[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))]
}
